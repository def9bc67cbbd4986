"""A server process under test, which scripts of other languages call, kill and start again."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
import tomllib
from contextlib import suppress
from pathlib import Path

import jwt
from cli.process import Process
from servers.ports import free_port

HERE = Path(__file__).parent
PROJECT = HERE / "project"
CHAT = HERE.parents[1] / "examples/chat"
SCRIPT_SECONDS = 240


class Server:
    """``convexpy dev`` of a copy of a project, always at the same port."""

    def __init__(self, project: Path, folder: Path, database: str | None = None) -> None:
        ignored = shutil.ignore_patterns(".convexpy", "__pycache__", ".*_cache")
        self.folder = Path(shutil.copytree(project, folder / project.name, ignore=ignored))
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = {"CONVEXPY_DATABASE": database} if database else {}
        self.process: Process | None = None

    @property
    def secret(self) -> str:
        """The secret by which the project checks tokens, if it does."""
        settings = tomllib.loads((self.folder / "pyproject.toml").read_text())
        issuers = settings["tool"]["convexpy"].get("auth", [{"secret": ""}])
        return str(issuers[0]["secret"])

    def token(self, subject: str) -> str:
        """A token of a user."""
        claims = {"iss": "https://issuer.example", "aud": "served", "sub": subject, "iat": time.time()}
        return jwt.encode(claims | {"exp": time.time() + 3600}, self.secret, "HS256")

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.process = Process(self.folder, "dev", "--port", str(self.port), env=self.environment)
        self.process.line("^ready in")

    def end(self, number: int) -> None:
        """End it by a signal."""
        assert self.process is not None
        with self.process as process:
            process.stop(number)
        self.process = None

    def run(self, command: list[str], *, folder: Path, **environment: str) -> str:
        """Run a script to its end, and do to the server what it asks for. Returns what it printed.

        A process of its own, always: the client from PyPI does not let other threads of its process run.
        """
        given = {"SERVER_URL": self.url, "SERVER_SECRET": self.secret}
        started = subprocess.Popen(
            command,
            cwd=folder,
            env=os.environ | given | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        with started as script:
            limit = threading.Timer(SCRIPT_SECONDS, script.kill)
            limit.start()
            try:
                printed = self._answer(script)
            finally:
                limit.cancel()
                script.kill()
        assert script.returncode == 0, printed
        return printed

    def _answer(self, script: subprocess.Popen[str]) -> str:
        assert script.stdin is not None
        assert script.stdout is not None
        lines = []
        for line in script.stdout:
            lines.append(line)
            match line.strip():
                case "@kill":
                    self.end(signal.SIGKILL)
                case "@stop":
                    self.end(signal.SIGTERM)
                case "@start":
                    self.start()
                case _ if not line.startswith("@"):
                    continue
            with suppress(BrokenPipeError):  # it has failed meanwhile
                script.stdin.write("done\n")
                script.stdin.flush()
        script.wait()
        return "".join(lines)

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None:
            self.end(signal.SIGKILL)

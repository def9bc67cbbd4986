"""``examples/react``: its types are those of the functions, it builds, and its page does what the other one does."""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cli.process import python_module

from .conftest import RunScript
from .server import CHAT, Server

REACT = CHAT.with_name("react")
INSTALL = ("npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", "--loglevel=error")


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves files and prints nothing."""

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def web_server(folder: Path) -> Iterator[str]:
    """The address of a web server for a folder."""
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(QuietHandler, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_the_types_of_the_react_example_are_those_of_the_chat(tmp_path: Path) -> None:
    written = python_module(CHAT, "convexpy", "codegen", "ts", str(tmp_path))
    assert written.returncode == 0, written.stderr
    for name in ("api.d.ts", "api.js"):
        assert (REACT / "src/convex" / name).read_text() == (tmp_path / name).read_text()


def test_the_packages_of_the_react_example_have_exact_versions() -> None:
    package = json.loads((REACT / "package.json").read_text())
    versions = [*package["dependencies"].values(), *package["devDependencies"].values()]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in versions)
    assert package["dependencies"]["convex"] == "1.49.0"


@pytest.mark.long
def test_the_react_example_builds_and_its_page_stays_live(run_node: RunScript, chromium: str, tmp_path: Path) -> None:
    project = shutil.copytree(REACT, tmp_path / "react", ignore=shutil.ignore_patterns("node_modules", "dist"))
    installed = subprocess.run(INSTALL, cwd=project, capture_output=True, text=True, timeout=300)
    if installed.returncode != 0:
        pytest.skip(f"npm could not install the packages: {installed.stderr.strip()[-300:]}")
    with Server(CHAT, tmp_path) as server:
        environment = os.environ | {"VITE_SERVER": server.url}
        command = ["npm", "run", "build"]
        built = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, timeout=300)
        assert built.returncode == 0, built.stdout + built.stderr
        with web_server(project / "dist") as address:
            run_node(server, "chat_page.mjs", CHROMIUM=chromium, PAGE_URL=address)

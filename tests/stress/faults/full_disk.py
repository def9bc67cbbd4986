"""A real full disk: a small tmpfs in a mount namespace of its own, where that is allowed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from . import checker
from .child_process import CommandFailed, Sandbox, wait_until

MEGABYTES = 8


def run_apart(folder: Path) -> str:
    """Run this module in a namespace of its own. Its result: ``ok …``, or what went wrong."""
    folder.mkdir(parents=True, exist_ok=True)
    mount = f'mount -t tmpfs -o size={MEGABYTES}m faults "$0" && exec "$1" -m "$2" "$0"'
    command = ["unshare", "-rm", "sh", "-c", mount, str(folder), sys.executable, __name__]
    paths = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    try:
        run = subprocess.run(
            command, env={**os.environ, **paths}, capture_output=True, text=True, timeout=600, check=False
        )
    except OSError as error:
        return f"not possible here: {error}"
    output = run.stdout.strip()
    return output or f"not possible here, or failed: {run.stderr.strip()[-400:]}"


def main(folder: str) -> None:
    """Fill the disk under a running app, see it wait, free the disk, see it go on."""
    sandbox = Sandbox(Path(folder) / "app")
    ballast = Path(folder) / "ballast"
    with sandbox.child(environ={"FAULTS_CURE": f"{folder}/cure"}) as child:
        child.ready().call("work:order", label="order", pays=200, sends=20, children=1, delay=600)
        with ballast.open("wb", buffering=0) as file:
            try:
                while file.write(b"x" * 1024):
                    pass
            except OSError:
                pass
        refused = ""
        try:
            for n in range(20):
                child.call("work:order", label=f"refused{n}", pays=500)
        except CommandFailed as error:
            refused = str(error)
        ballast.unlink()
        freed = wait_until(lambda: checker.is_quiet(sandbox.database, 440), "every job is over")
        child.call("bad:plan", function="bad:fills_the_disk", label="greedy", good=20)
        goods = "SELECT count(*) FROM effects WHERE label LIKE 'greedy/good%'"
        passed = wait_until(lambda: checker.value(sandbox.database, goods) == 20, "the others pass a greedy job")
        Path(folder, "cure").touch()
        wait_until(lambda: checker.is_quiet(sandbox.database, 461), "the cured job runs at last")
    verdict = checker.judge(sandbox.database, sandbox.journal, {"order": 220})
    wrong = [text for text in verdict.broken if "greedy" not in text]
    print(
        f"ok: went on {freed:.2f} s after space was there, others passed a greedy job in {passed:.2f} s; "
        f"a call meanwhile: {refused[:90]!r}"
        if not wrong and refused
        else f"WRONG: {wrong[:3]} {refused!r}"
    )


if __name__ == "__main__":
    main(*sys.argv[1:])

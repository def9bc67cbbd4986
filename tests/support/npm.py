"""Folders with packages of npm, as users have them. Each set is installed once, and kept beside the tests."""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import pytest

CACHE = Path(__file__).parents[2] / ".npm_cache"
INSTALL = ("npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", "--loglevel=error")
INSTALL_SECONDS = 300
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")

OFFICIAL = ("convex@1.49.0", "ws@8.23.0")
BROWSER = ("playwright-core@1.65.1",)


def node() -> str:
    """The path of Node. Without it the test is skipped."""
    found = shutil.which("node")
    if found is None:
        pytest.skip("Node is missing: install nodejs 20 or newer")
    return found


def chromium() -> str:
    """The path of a Chromium. Without one the test is skipped."""
    for name in CHROMIUM:
        if found := shutil.which(name):
            return found
    pytest.skip(f"Chromium is missing: none of {', '.join(CHROMIUM)} is on the path")


def npm_folder(*packages: str) -> Path:
    """A folder whose ``node_modules`` has these packages, each with its version. Without npm the test is skipped."""
    node()
    if shutil.which("npm") is None:
        pytest.skip("npm is missing: install it beside Node")
    wanted = sorted(packages)
    folder = CACHE / hashlib.sha256(" ".join(wanted).encode()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of several processes that run tests one installs
        installed = folder / "installed"
        if not installed.exists():
            install(folder, wanted)
            installed.touch()
    return folder


def install(folder: Path, packages: list[str]) -> None:
    """Install the packages, or skip the test: a network is not always there."""
    named = dict(each.rsplit("@", 1) for each in packages)
    (folder / "package.json").write_text(json.dumps({"private": True, "type": "module", "dependencies": named}))
    ran = subprocess.run(INSTALL, cwd=folder, capture_output=True, text=True, timeout=INSTALL_SECONDS)
    if ran.returncode != 0:
        pytest.skip(f"npm could not install {', '.join(packages)}: {ran.stderr.strip().splitlines()[-1:]}")

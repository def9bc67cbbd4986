"""The npm packages that tests use: React and the official clients, installed once for all runs of the tests."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

FOLDER_VARIABLE = "CONVEXPY_TEST_NPM_FOLDER"
PACKAGES = {
    "@convex-dev/react-query": "0.1.0",
    "@tanstack/react-query": "5.108.4",
    "@types/react": "19.3.3",
    "axe-core": "4.14.1",
    "convex": "1.49.0",
    "convex-helpers": "0.1.135",
    "playwright-core": "1.65.1",
    "react": "19.3.1",
    "react-dom": "19.3.1",
    "typescript": "7.0.2",
    "ws": "8.23.0",
}


def packages_folder() -> Path:
    """The folder with package.json and node_modules, by the environment or a shared temporary one."""
    if named := os.environ.get(FOLDER_VARIABLE):
        return Path(named)
    digest = hashlib.sha256(json.dumps(PACKAGES, sort_keys=True).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"convexpy-npm-{os.getuid()}-{digest}"


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """``node_modules`` with the packages. The test is skipped where npm is not there, or does not get them."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("npm is not installed")
    folder = packages_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one process installs, the others wait
        install(folder)
    return folder / "node_modules"


def install(folder: Path) -> None:
    """Install the packages, unless they are there in these versions."""
    wanted = json.dumps({"private": True, "dependencies": PACKAGES}, indent=2)
    done = folder / "installed.json"
    if done.is_file() and done.read_text("utf-8") == wanted:
        return
    (folder / "package.json").write_text(wanted, "utf-8")
    command = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    if ran.returncode != 0:
        pytest.skip(f"npm could not install the packages: {ran.stderr.strip()[-500:]}")
    done.write_text(wanted, "utf-8")

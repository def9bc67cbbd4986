"""Forms made of JSON schemas: types in words, what they begin with, variants, and numbers while they are typed."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

import convexpy

STATIC = Path(convexpy.__file__).parent / "dashboard" / "static"


@pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed")
def test_forms_read_json_schemas() -> None:
    script = Path(__file__).with_name("schema.test.mjs")
    command = ["node", "--test", str(script)]
    environment = {**os.environ, "DASHBOARD": str(STATIC)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr

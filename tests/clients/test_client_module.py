"""``/client.js`` by itself, against frames that a test sends: ``client.test.mjs``."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

STATIC = Path(__file__).parents[2] / "convexpy/server/static"
TESTS = Path(__file__).with_name("client.test.mjs")


def test_the_client_keeps_to_the_protocol(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node is not installed")
    module = shutil.copy(STATIC / "client.js", tmp_path / "client.mjs")  # what Node takes for a module
    environment = os.environ | {"CLIENT_JS": str(module)}
    command = [node, "--test", "--test-reporter=spec", str(TESTS)]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "ℹ fail 0" in ran.stdout


def test_the_client_is_one_readable_module() -> None:
    lines = (STATIC / "client.js").read_text().splitlines()
    assert len(lines) <= 400
    assert max(map(len, lines)) <= 120
    assert not any(line.startswith("import ") for line in lines)


def test_its_types_fit_right_uses_and_its_own_code(node_modules: Path, tmp_path: Path) -> None:
    # `uses.ts` has wrong uses as well, each marked as an error that is expected.
    for file in (STATIC / "client.d.ts", TESTS.with_name("uses.ts")):
        shutil.copy(file, tmp_path)
    code = (STATIC / "client.js").read_text().replace('"./client.js"', '"./client.d.ts"')
    (tmp_path / "code.js").write_text(code)
    common = ["--noEmit", "--strict", "--target", "es2022", "--module", "es2022", "--moduleResolution", "bundler"]
    tsc = [str(node_modules / ".bin/tsc"), *common, "--types", "", "--lib", "es2022,dom,dom.iterable"]
    for options in (["uses.ts"], ["--allowJs", "--checkJs", "--noImplicitAny", "false", "code.js"]):
        checked = subprocess.run([*tsc, *options], cwd=tmp_path, capture_output=True, text=True, timeout=120)
        assert checked.returncode == 0, checked.stdout

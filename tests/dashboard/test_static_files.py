"""The files of the dashboard: their types, their size, and what must stand in none of them."""

from __future__ import annotations

import gzip
import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2] / "convexpy"
STATIC: Final = ROOT / "dashboard/static"
CLIENT: Final = ROOT / "server/static"
FILES: Final = sorted(path for path in STATIC.rglob("*") if path.is_file())
MODULES: Final = [path for path in FILES if path.suffix == ".js"]
MOST_BYTES: Final = 100_000
"""Of everything, compressed."""
MOST_LINES: Final = 450
OPTIONS: Final = ("--noEmit", "--allowJs", "--checkJs", "--strict", "--target", "es2024", "--module", "es2022")
LIBRARIES: Final = ("--moduleResolution", "bundler", "--types", "", "--lib", "es2024,dom,dom.iterable")

FORBIDDEN: Final = {
    "a handler in markup": re.compile(r"""<[a-z][^>`]*\son[a-z]+\s*=""", re.I),
    "a style in markup": re.compile(r"""\sstyle\s*=\s*["']""", re.I),
    "markup that is read": re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|srcdoc", re.I),
    "code that is read": re.compile(r"\beval\(|new Function|setTimeout\(\s*[\"'`]|javascript:(?!/)", re.I),
    "an address elsewhere": re.compile(r"""(?:https?:)?//(?!www\.w3\.org/)[a-z0-9-]+\.[a-z]{2,}""", re.I),
    "an import of a package": re.compile(r"""(?:from|import\()\s*["'](?!\.)""", re.I),
}
"""What the policy of the pages forbids, or what could make markup of a text."""
ALLOWED: Final = {
    ("ui/render.js", "markup that is read"),  # the one place where templates become nodes
    ("ui/render.js", "a handler in markup"),  # in a comment: no template may have one
    ("ui/render.js", "code that is read"),  # which addresses are refused
    ("ui/render.js", "a style in markup"),
}


def name_of(path: Path) -> str:
    return path.relative_to(STATIC).as_posix()


def test_all_modules_have_right_types(node_modules: Path, tmp_path: Path) -> None:
    shutil.copytree(STATIC, tmp_path / "dashboard/static")  # beside /client.js, as the server shows them
    for name in ("client.js", "client.d.ts"):
        shutil.copy(CLIENT / name, tmp_path)
    modules = [str(Path("dashboard/static", name_of(path))) for path in MODULES]
    command = [str(node_modules / ".bin/tsc"), *OPTIONS, *LIBRARIES, *modules]
    checked = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert checked.returncode == 0, checked.stdout


def test_everything_is_small() -> None:
    sizes = {name_of(path): len(gzip.compress(path.read_bytes(), 6)) for path in FILES}
    sizes["client.js"] = len(gzip.compress((CLIENT / "client.js").read_bytes(), 6))
    assert sum(sizes.values()) < MOST_BYTES, sizes


def test_nothing_stands_in_the_files_that_the_policy_forbids() -> None:
    found = [
        f"{name_of(path)}: {what}: {match.group(0)[:60]}"
        for path in FILES
        for what, pattern in FORBIDDEN.items()
        if (name_of(path), what) not in ALLOWED
        for match in pattern.finditer(path.read_text("utf-8"))
    ]
    assert found == []


def test_files_are_readable() -> None:
    lines = {name_of(path): path.read_text("utf-8").splitlines() for path in MODULES}
    assert {name: len(each) for name, each in lines.items() if len(each) > MOST_LINES} == {}
    assert len(lines["ui/render.js"]) <= 300
    begins = [name for name, each in lines.items() if not each[0].startswith(("/**", "//"))]
    assert begins == [], "a module begins with what it is"

"""The files of the dashboard: their types, their size, and what must stand in none of them."""

from __future__ import annotations

import gzip
import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2] / "convexpy"
STATIC: Final = ROOT / "dashboard/static"
CLIENT: Final = ROOT / "server/static"
FILES: Final = sorted(path for path in STATIC.rglob("*") if path.is_file())
MODULES: Final = [path for path in FILES if path.suffix == ".js"]
MOST_BYTES: Final = 100_000
"""Of all that one page loads, compressed."""
MOST_LINES: Final = 450
IMPORT: Final = re.compile(r"""^(?:import|export)\b[^;]*?["'](?P<name>\.[^"']+)["'];""", re.M)
NAMES: Final = re.findall(r"^  (\w+): \{ title", (STATIC / "ui/pages.js").read_text("utf-8"), re.M)
"""The names of the pages."""
OPTIONS: Final = ("--noEmit", "--allowJs", "--checkJs", "--strict", "--target", "es2024", "--module", "es2022")
LIBRARIES: Final = ("--moduleResolution", "bundler", "--types", "", "--lib", "es2024,dom,dom.iterable")

FORBIDDEN: Final = {
    "a handler in markup": re.compile(r"""<[a-z][^>`]*\son[a-z]+\s*=""", re.I),
    "a style in markup": re.compile(r"""\sstyle\s*=\s*["']""", re.I),
    "markup that is read": re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|srcdoc", re.I),
    "code that is read": re.compile(r"\beval\(|new Function\(|setTimeout\(\s*[\"'`]|javascript:(?!/)", re.I),
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


def imported(path: Path, found: dict[Path, None] | None = None) -> dict[Path, None]:
    """A module and what it imports, and so on."""
    found = {} if found is None else found
    if path in found:
        return found
    found[path] = None
    for match in IMPORT.finditer(path.read_text("utf-8")):
        name = match["name"]
        imported(CLIENT / "client.js" if name.endswith("/client.js") else (path.parent / name).resolve(), found)
    return found


def compressed(paths: Iterable[Path]) -> int:
    return sum(len(gzip.compress(path.read_bytes(), 6)) for path in paths)


@pytest.mark.parametrize("page", NAMES)
def test_all_that_a_page_loads_is_small(page: str) -> None:
    module = STATIC / f"pages/{page}.js"
    styles = [STATIC / name for name in ("index.html", "tokens.css", "app.css", "theme.js", "icon.svg")]
    own = module.with_suffix(".css")
    files = {*styles, *imported(STATIC / "app.js"), *imported(module), *([own] if own.is_file() else [])}
    assert compressed(files) < MOST_BYTES


def test_what_the_frame_imports_is_loaded_at_once() -> None:
    """Otherwise a browser learns of each module only from the one before it."""
    html = (STATIC / "index.html").read_text("utf-8")
    named = set(re.findall(r'<link rel="modulepreload" href="([^"]+)">', html))
    modules = {*imported(STATIC / "app.js")} - {STATIC / "app.js", CLIENT / "client.js"}
    assert named == {"../client.js", *(f"static/{name_of(path)}" for path in modules)}


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

"""``convexpy init``: write a small app that runs at once, from a template in this package."""

from __future__ import annotations

import keyword
import re
import sys
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Annotated, Final

import typer

from .failure import Failure, WrongUsage
from .output import say

TEMPLATE: Final = Path(__file__).with_name("template")
WEB_TEMPLATE: Final = Path(__file__).with_name("template_web")  # lies over the other one
PLACEHOLDER: Final = "my_app"
RENAMED: Final = {"gitignore": ".gitignore"}  # under its own name it would apply to this package


def init(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The folder to create; its last part names the package.")],
    with_web: Annotated[bool, typer.Option("--with-web", help="With a page that shows the app live.")] = False,
) -> None:
    """Write a small app into a new folder.

    It has models, functions, crons and a test, and runs at once. Nothing is ever overwritten.
    """
    folder = Path(name)
    package = package_name(folder.absolute())
    files = rendered(TEMPLATE, package) | (rendered(WEB_TEMPLATE, package) if with_web else {})
    existing = [path for path in files if (folder / path).exists() or (folder / path).is_symlink()]
    if existing:
        listed = "\n".join(f"  {folder / path}" for path in existing)
        raise Failure(f"nothing was written: these files exist already\n{listed}", "Choose another name.")
    try:
        write(folder, files)
    except OSError as error:
        what = f"{error.filename or folder}: {error.strerror}"
        raise Failure(what, "Choose a folder that you may write to.") from None
    say(f"{folder}/")
    for path in sorted(files):
        say(f"  {path}")
    say(f"\nNext:\n  cd {folder}\n  convexpy dev")


def package_name(folder: Path) -> str:
    """The import name for a folder: ``my-shop`` becomes ``my_shop``."""
    package = re.sub(r"[\s.-]+", "_", folder.name)
    if not package.isidentifier() or not package.isascii() or keyword.iskeyword(package) or package.startswith("_"):
        raise WrongUsage(f"{folder.name!r} cannot name a Python package", "Begin with a letter: convexpy init shop")
    elsewhere = [path for path in sys.path if Path(path).resolve() != folder.parent.resolve()]
    known = package in sys.stdlib_module_names or PathFinder.find_spec(package, elsewhere) is not None
    # `convex` is the official client, which a project may well install later.
    if known or package in ("convex", "tests"):
        raise WrongUsage(
            f"{package!r} is the name of another Python package, and yours would hide it", "Choose another name."
        )
    return package


def rendered(template: Path, package: str) -> dict[Path, str]:
    """The files of a template for the new project: path and text."""
    files = {}
    for path in sorted(template.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            parts = [part.replace(PLACEHOLDER, package) for part in path.relative_to(template).parts]
            parts[-1] = RENAMED.get(parts[-1], parts[-1])
            files[Path(*parts)] = path.read_text("utf-8").replace(PLACEHOLDER, package)
    return files


def write(folder: Path, files: dict[Path, str]) -> None:
    """Create the files. One that exists by now is not overwritten."""
    for path, text in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("x", encoding="utf-8") as file:
            file.write(text)

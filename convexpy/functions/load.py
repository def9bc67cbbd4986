"""Load an app: import its whole package, and report every problem with file and line."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any, Final

from ..errors import LoadError, text_of
from .crons import Crons
from .registry import SYSTEM, Registry

SKIPPED_FOLDERS = frozenset({"tests", "test", "migrations", "alembic", "versions", "node_modules"})
SKIPPED_FILES = ("test_", "conftest", "__init__", "__main__")
INSTALLED: Final = ("site-packages", "dist-packages")
NOT_THE_USERS: Final = (os.path.dirname(os.__file__) + os.sep, str(Path(__file__).parents[1]) + os.sep)
"""Python's own modules, and convexpy's: a problem is shown at the line of the app that led there."""


@dataclass(frozen=True)
class App:
    """The user's package, loaded: functions, crons, modules and warnings."""

    registry: Registry
    crons: Crons
    modules: dict[str, ModuleType]
    warnings: list[str] = field(default_factory=list)


def load_app(
    functions: str | ModuleType,
    min_cron_interval_seconds: float = 60.0,
    system_modules: Mapping[str, ModuleType] = MappingProxyType({}),
) -> App:
    """Import every module of the package and read its functions and crons.

    Args:
        functions: The package, by name or as a module.
        min_cron_interval_seconds: The shortest period that a cron may have.
        system_modules: The framework's own modules of functions by their place, which are found beside the app's.

    Raises:
        LoadError: It lists every problem.
    """
    root = import_root(functions)
    modules, problems = import_all(root)
    if problems:
        raise LoadError(list(dict.fromkeys(problems)))  # many modules may import a broken one
    with loading(root.__name__):  # annotations may have code of their own
        registry = Registry(modules, system_modules)
        crons, messages = find_crons(modules)
        problems = crons.resolve(registry, min_cron_interval_seconds)
    if problems:
        raise LoadError(problems)
    return App(registry, crons, modules, messages)


def import_root(functions: str | ModuleType) -> ModuleType:
    if isinstance(functions, ModuleType):
        return functions
    try:
        return imported(functions)
    except ModuleNotFoundError as error:
        where = f"`functions` is the name of your app's package ({error})"
        if any(Path(folder, "src", functions.partition(".")[0]).is_dir() for folder in sys.path):
            where = "it is in src/. Install your project, so that it can be imported: pip install -e ."
        raise LoadError([f"there is no package {functions!r} here: {where}"]) from error


def imported(name: str) -> ModuleType:
    """The module of this name.

    Raises:
        ModuleNotFoundError: There is none.
        LoadError: It does not import.
    """
    try:
        with loading(name):
            return importlib.import_module(name)
    except LoadError as error:
        cause = error.__cause__
        if isinstance(cause, ModuleNotFoundError) and f"{name}.".startswith(f"{cause.name}."):
            raise cause from None
        raise


@contextmanager
def loading(name: str) -> Iterator[None]:
    """Raise whatever the app's code raises while it is loaded, ``sys.exit()`` included, as a LoadError."""
    try:
        yield
    except (LoadError, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise LoadError([import_problem(name, error)]) from error


def import_all(root: ModuleType) -> tuple[dict[str, ModuleType], list[str]]:
    """Every module of the package by its place: ``"orders"``, ``"plugins/email"``."""
    modules = {root.__name__.rpartition(".")[2]: root}
    problems = [*reserved_names(root)]
    for folder in getattr(root, "__path__", ()):
        for place, name in module_names(Path(folder), root.__name__):
            try:
                with loading(name):
                    modules[place] = importlib.import_module(name)
            except LoadError as error:
                problems += error.problems
    return modules, problems


def reserved_names(root: ModuleType) -> Iterator[str]:
    """A problem for each module that has the name of the framework's own functions."""
    folders = [Path(folder) for folder in getattr(root, "__path__", ())]
    paths = [folder / name for folder in folders for name in (SYSTEM, f"{SYSTEM}.py")]
    if root.__name__.rpartition(".")[2] == SYSTEM:
        paths.append(Path(root.__file__ or SYSTEM))
    for path in paths:
        if path.exists():
            yield f"{path}: the name {SYSTEM!r} is reserved for the framework's own functions. Rename it"


def module_names(folder: Path, package: str, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Place and import name of every module below a folder, sorted. Folders without ``__init__.py`` count too."""
    for path in sorted(folder.iterdir()):
        if path.is_dir() and path.name.isidentifier() and path.name not in SKIPPED_FOLDERS and path.name[0] != "_":
            if (path / "__init__.py").exists():
                yield f"{prefix}{path.name}", f"{package}.{path.name}"
            yield from module_names(path, f"{package}.{path.name}", f"{prefix}{path.name}/")
        elif path.suffix == ".py" and path.stem.isidentifier() and not path.name.startswith(SKIPPED_FILES):
            yield f"{prefix}{path.stem}", f"{package}.{path.stem}"


def import_problem(module: str, error: BaseException) -> str:
    """The problem of a module that does not import: the line of the user's code that failed, and why."""
    if isinstance(error, SyntaxError):
        caret = f"\n    {(error.text or '').rstrip()}\n    {' ' * ((error.offset or 1) - 1)}^" if error.text else ""
        return f"{error.filename}:{error.lineno}: {type(error).__name__}: {error.msg}{caret}"
    trace = traceback.extract_tb(error.__traceback__)
    frames = [frame for frame in trace if "importlib" not in frame.filename and frame.filename[0] != "<"]
    own = [frame for frame in frames if is_users(frame.filename)] or frames
    where = f"{own[-1].filename}:{own[-1].lineno}" if own and own[-1].filename != __file__ else module
    hint = ""
    if isinstance(error, ImportError) and "partially initialized module" in text_of(error):
        hint = "\n    Two modules import each other: write `from . import orders` and `orders.charge` in one of them"
    if isinstance(error, SystemExit):
        hint = '. It would end every command that loads the app: put it under `if __name__ == "__main__":`'
    text = text_of(error)
    said = f": {text}" if text else ""
    return f"{where}: {type(error).__name__}{said}{hint}"


def is_users(file: str) -> bool:
    """Whether a file is code of the user's own, not installed."""
    return not file.startswith(NOT_THE_USERS) and not any(folder in Path(file).parts for folder in INSTALLED)


def find_crons(modules: dict[str, ModuleType]) -> tuple[Crons, list[str]]:
    """The ``Crons`` object of ``crons.py``, and warnings about what looks like one but is not read."""
    messages = []
    # An app that is one file has its crons in that file.
    module = modules.get("crons") or (next(iter(modules.values())) if len(modules) == 1 else None)
    found = crons_objects(module) if module is not None else []
    if "crons" in modules and module is not None and not found:
        messages.append(f"{module.__file__}: it has no Crons object, so no cron runs. Write `crons = Crons()` in it")
    if len(found) > 1:
        raise LoadError([f"{module and module.__file__}: it has {len(found)} Crons objects; keep one"])
    misnamed = modules.get("cron")
    if misnamed is not None:
        messages.append(f"{misnamed.__file__}: crons are only read from `crons.py`. Rename this file to crons.py")
    for message in messages:
        warnings.warn(message, stacklevel=2)
    return (found[0] if found else Crons()), messages


def crons_objects(module: Any) -> list[Crons]:
    unique = {id(value): value for value in list(vars(module).values()) if isinstance(value, Crons)}
    return list(unique.values())


def forget_modules(root: str) -> dict[str, ModuleType]:
    """Remove a package from ``sys.modules``, so that it is imported again. Returns the removed modules."""
    return {name: sys.modules.pop(name) for name in loaded_modules(root)}


def loaded_modules(root: str) -> list[str]:
    """The names of a package's modules that have been imported."""
    # Of a copy: another thread may be importing, such as one that runs a job.
    return [name for name in list(sys.modules) if name == root or name.startswith(f"{root}.")]

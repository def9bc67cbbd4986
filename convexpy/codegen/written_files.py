"""The generated files of a client, in a folder. A file is written only if its text changed."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ..functions.registry import AnyFunction
from .api_types import API_JS, api_types


def write_typescript(folder: Path, functions: Iterable[AnyFunction], *, camel: bool = False) -> list[Path]:
    """Write ``api.d.ts`` and ``api.js`` into a folder, which is made if it is not there.

    Args:
        folder: Where a TypeScript project imports them from.
        functions: The functions of an app.
        camel: Whether names are camelCase for clients.

    Returns:
        The files whose text has changed.

    Raises:
        OSError: They cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    texts = {"api.d.ts": api_types(functions, camel=camel), "api.js": API_JS}
    return [folder / name for name, text in texts.items() if write_if_changed(folder / name, text)]


def write_if_changed(path: Path, text: str) -> bool:
    """Write a file whole, or leave it. A reader finds the old text or the new one."""
    if path.is_file() and path.read_text("utf-8") == text:
        return False
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(text, "utf-8", newline="\n")
    beside.replace(path)
    return True

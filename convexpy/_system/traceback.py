"""A stored traceback in parts: each error with its frames, those of the app's own code marked."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import Final

from ..runtime.events import is_own_file
from .document import Document

FRAME: Final = re.compile(r'  File "(?P<file>.+)", line (?P<line>\d+), in (?P<function>.+)')
HEAD: Final = "Traceback (most recent call last):"
CAUSE: Final = "The above exception was the direct cause of the following exception:"
CONTEXT: Final = "During handling of the above exception, another exception occurred:"
LIBRARY: Final = re.compile(r".*/(?:site-packages|lib/python[\d.]+t?)/")


class Frame(Document):
    """One line of code that was running."""

    file: str
    """Its path, from the folder of this process, or of the library, if it is in there."""
    line: int
    function: str
    code: str
    """The text of the line; empty if it is not known."""
    is_own: bool
    """Whether it is the app's own code."""


class RaisedError(Document):
    """An error, and the frames that it came through, the outermost first."""

    frames: Sequence[Frame]
    text: str
    """Its class, its message and its notes."""
    link: str | None
    """What the error before has to do with it. None: it is the first."""


def parse_trace(trace: str) -> Sequence[RaisedError]:
    """The errors of a traceback, the cause before what it caused. What is not understood is text."""
    errors: list[RaisedError] = []
    frames: list[Frame] = []
    text: list[str] = []
    link: str | None = None
    for line in trace.splitlines():
        found = FRAME.fullmatch(line)
        if line in (CAUSE, CONTEXT):
            errors.append(RaisedError(frames=frames, text="\n".join(text).strip(), link=link))
            frames, text, link = [], [], line
        elif found is not None:
            file = found["file"]
            about = {"line": int(found["line"]), "function": found["function"], "is_own": is_own_file(file)}
            frames.append(Frame(file=short_path(file), code="", **about))
        elif frames and not text and line.startswith("    "):
            if not frames[-1].code and line.strip(" ~^"):
                frames[-1] = frames[-1].model_copy(update={"code": line.strip()})
        elif line != HEAD and (text or line):
            text.append(line)
    return [*errors, RaisedError(frames=frames, text="\n".join(text).strip(), link=link)]


def short_path(file: str) -> str:
    """A path from the folder of this process, or of the library that the file is of."""
    within = os.path.join(os.getcwd(), "")
    return file.removeprefix(within) if file.startswith(within) else LIBRARY.sub("", file)

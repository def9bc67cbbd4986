"""Logs of a running server on stdout: text on a terminal, one JSON object a line elsewhere."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic_core import to_json

from .output import console, escaped, escaped_json
from .run_line import run_document, run_line

if TYPE_CHECKING:
    from ..project import Project
    from ..runtime.events import Run

log = logging.getLogger("convexpy.server")


class TextFormatter(logging.Formatter):
    """``12:01:05 WARNING a worker died``. Control characters are escaped, so that no text can forge a line."""

    def __init__(self, number: int | None) -> None:
        super().__init__(f"{prefix(number)}%(asctime)s %(levelname)s %(message)s", "%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        return escaped(super().format(record)).replace("\n", "\n         ")


class JSONFormatter(logging.Formatter):
    """One JSON object a record."""

    def __init__(self, number: int | None) -> None:
        super().__init__()
        self._number = number

    def format(self, record: logging.LogRecord) -> str:
        document = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            document["traceback"] = self.formatException(record.exc_info)
        return json.dumps(numbered(document, self._number))


def numbered(document: dict[str, Any], number: int | None) -> dict[str, Any]:
    """A document with the number of this process, if it is one of several."""
    return document if number is None else {**document, "process": number}


def prefix(number: int | None) -> str:
    """``[2] `` for a line of text, if this process is one of several."""
    return "" if number is None else f"[{number}] "


def log_to_stdout(project: Project, *, as_json: bool, number: int | None = None) -> None:
    """Print all warnings, and INFO of the app and of this command. An app that sets up logging itself is left alone."""
    root = logging.getLogger()
    if root.handlers:
        return
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JSONFormatter(number) if as_json else TextFormatter(number))
    root.addHandler(handler)
    for name in (project.functions.partition(".")[0], log.name):
        logging.getLogger(name).setLevel(logging.INFO)


def print_run(run: Run, root: Path, *, as_json: bool, number: int | None = None) -> None:
    """Print one line for a run. Called from any thread."""
    if as_json:
        # One line for every job: the fastest way to write it, flushed once for all jobs of a COMMIT.
        line = escaped_json(to_json(numbered(run_document(run), number)).decode())
        sys.stdout.write(line + "\n")
    else:
        console().print(prefix(number), run_line(run, root), sep="")

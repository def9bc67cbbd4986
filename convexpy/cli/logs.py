"""Logs of a running server on stdout: sentences for people, one JSON object a line for programs."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from .output import console, escaped, to_json
from .run_line import run_document, run_line

if TYPE_CHECKING:
    from ..project import Project
    from ..runtime.run import Run

log = logging.getLogger("convexpy.server")


class Sentences(logging.Formatter):
    """``12:01:05 warning  a worker died``, with nothing in it that could forge another line's beginning."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        return escaped(super().format(record)).replace("\n", "\n         ")


class JSONLines(logging.Formatter):
    """One JSON object a record."""

    def format(self, record: logging.LogRecord) -> str:
        document = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            document["traceback"] = self.formatException(record.exc_info)
        return json.dumps(document)


def log_to_stdout(project: Project, *, as_json: bool) -> None:
    """Print everybody's warnings, and what the app and this command say. An app that sets up logging is left alone."""
    root = logging.getLogger()
    if root.handlers:
        return
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JSONLines() if as_json else Sentences())
    root.addHandler(handler)
    for name in (project.functions.partition(".")[0], log.name):
        logging.getLogger(name).setLevel(logging.INFO)


def print_run(run: Run, root: Path, *, as_json: bool) -> None:
    """One line for one run. Called from any thread."""
    if as_json:
        sys.stdout.write(to_json(run_document(run)) + "\n")
        sys.stdout.flush()
    else:
        console().print(run_line(run, root))

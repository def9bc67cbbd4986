"""Logs of a running server on stdout: text on a terminal, one JSON object a line elsewhere."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic_core import to_json

from .output import console, escaped, escaped_json
from .run_line import run_document, run_line

if TYPE_CHECKING:
    from ..project import Project
    from ..runtime.events import Run

log = logging.getLogger("convexpy.server")
ACCESS: Final = "convexpy.access"

ENCODER: Final = json.JSONEncoder(default=repr)  # made once: json.dumps would make one for every record


class TextFormatter(logging.Formatter):
    """``12:01:05 WARNING a worker died``. Control characters are escaped, so that no text can forge a line."""

    def __init__(self, name: str | None) -> None:
        super().__init__(f"{prefix(name)}%(asctime)s %(levelname)s %(message)s", "%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        return escaped(super().format(record)).replace("\n", "\n         ")

    def formatMessage(self, record: logging.LogRecord) -> str:
        from ..runtime.call_log import extra_of

        notes = [f"{key}={value}" for key, value in extra_of(record).items() if value is not None]
        return "  ".join([super().formatMessage(record), *notes])


class JSONFormatter(logging.Formatter):
    """One JSON object a record."""

    def __init__(self, name: str | None) -> None:
        super().__init__()
        self._name = name

    def format(self, record: logging.LogRecord) -> str:
        from ..runtime.call_log import extra_of

        document = {
            **extra_of(record),
            "time": datetime.fromtimestamp(record.created, UTC).isoformat().replace("+00:00", "Z"),  # as of a run
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            document["traceback"] = self.formatException(record.exc_info)
        return ENCODER.encode(named(document, self._name))


def is_outage(error: BaseException | None) -> bool:
    """Whether the database failed, and not by a conflict."""
    from ..database.errors import is_conflict, is_internal

    return error is not None and is_internal(error) and not is_conflict(error)


def named(document: dict[str, Any], name: str | None) -> dict[str, Any]:
    """A document with the name of this process, if it is one of several. A name may be a number."""
    return document if name is None else {**document, "process": int(name) if name.isdigit() else name}


def prefix(name: str | None) -> str:
    """``[2] `` or ``[server] `` for a line of text, if this process is one of several."""
    return "" if name is None else f"[{name}] "


def log_to_stdout(project: Project, *, as_json: bool, name: str | None = None, requests: bool = False) -> None:
    """Print all warnings, and INFO of the app and of this command. An app that sets up logging itself is left alone.

    Args:
        project: The project.
        as_json: Whether each record is a JSON object, or a line of text.
        name: The name of this process, if it is one of several.
        requests: Whether there is a line for each request.
    """
    from ..runtime.call_log import CallFilter

    root = logging.getLogger()
    if root.handlers:
        return
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JSONFormatter(name) if as_json else TextFormatter(name))
    handler.addFilter(CallFilter())
    handler.addFilter(lambda record: not hasattr(record, "run"))  # print_run prints it
    root.addHandler(handler)
    for logger in (project.functions.partition(".")[0], log.name, *([ACCESS] if requests else [])):
        logging.getLogger(logger).setLevel(logging.INFO)


def print_run(run: Run, root: Path, *, as_json: bool, name: str | None = None) -> None:
    """Print one line for a run. Called from any thread."""
    if run.outcome == "retry" and run.attempt == 1 and is_outage(run.exception):
        return  # one line of the log says so for all jobs
    if as_json:
        # One line for every job: the fastest way to write it, flushed once for all jobs of a COMMIT.
        line = escaped_json(to_json(named(run_document(run), name)).decode())
        sys.stdout.write(line + "\n")
    else:
        console().print(prefix(name), run_line(run, root), sep="")

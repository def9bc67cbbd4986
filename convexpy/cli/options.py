"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ProjectOption = Annotated[
    Path, typer.Option("--project", "-p", metavar="PATH", help="The project's folder.", show_default="here")
]
DatabaseOption = Annotated[
    str | None, typer.Option("--database", metavar="URL", help="Use this database instead of the configured one.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]

HERE = Path()

"""The command line. Heavy libraries are imported by the command that needs them, so that help and mistakes are fast."""

from __future__ import annotations

import sys
from io import TextIOWrapper
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from .check import check
from .codegen import codegen
from .conflicts import conflicts
from .crons import crons
from .db import db
from .dev import dev
from .doctor import doctor
from .failure import EXPECTED, INTERRUPTED, Failure, frame, report, unexpected
from .functions import functions
from .init import init
from .jobs import jobs
from .key import key
from .live import live
from .run import run
from .start import start, worker


class Commands(TyperGroup):
    """The commands; an expected error ends any of them with a framed message and its exit code."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except (Failure, *EXPECTED) as error:
            failure = frame(error)
            report(failure)
            raise typer.Exit(failure.exit_code) from error
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None
        except (typer.Exit, typer.Abort):
            raise
        except Exception as error:
            if (unforeseen := unexpected(error)) is None:
                raise
            report(unforeseen)
            raise typer.Exit(unforeseen.exit_code) from error
        finally:
            # CPython remembers a caught interrupt that was raised inside of exec("…"), which dataclasses use, and would
            # end the process as if killed by SIGINT. Another exec clears that.
            exec("")


app = typer.Typer(
    cls=Commands,
    help="Queries, mutations, actions and scheduling that commits with your data.",
    epilog="Exit codes: 0 it worked, 1 a problem in the app or a failed function, 2 a wrong command line.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for command in (init, dev, start, worker, run, functions, check, doctor, conflicts, live):
    app.command()(command)
app.add_typer(jobs, name="jobs")
app.add_typer(crons, name="crons")
app.add_typer(key, name="key")
app.add_typer(db, name="db")
app.add_typer(codegen, name="codegen")


def show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(version("convexpy"))
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Options of every command."""


def main() -> None:
    """The ``convexpy`` command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a character that the terminal lacks is no reason to fail
    app(prog_name="convexpy")

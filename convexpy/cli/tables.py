"""Keep the tables of a development database in step with the models. Asks before data is lost."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from .opening import schema_engine
from .output import escaped, say

if TYPE_CHECKING:
    from sqlalchemy import URL, MetaData

    from ..migrations.dev_sync import SyncResult
    from ..migrations.plan import Step


class TableSync:
    """Changes the tables as the models change, and remembers what the user declined."""

    def __init__(self) -> None:
        self._declined: list[str] = []
        self._left: list[str] = []
        self._unchanged: list[str] = []

    def keep(self, url: URL, metadata: MetaData | None) -> None:
        """Change the tables where the models changed, and print what was done.

        Raises:
            DatabaseError: A change is not possible with the existing rows.
        """
        if metadata is None:
            return
        from ..migrations.dev_sync import sync_tables

        with schema_engine(url) as engine:
            outcome = sync_tables(engine, metadata, self._confirm)
        self._report(outcome)

    def _confirm(self, steps: list[Step]) -> bool:
        """Ask once. Without a terminal the answer is no."""
        wanted = [step.description for step in steps]
        if wanted == self._declined or not (sys.stdin.isatty() and sys.stdout.isatty()):
            return False
        import typer

        say("the models have changed, and these changes lose data:", style="yellow")
        for description in wanted:
            say(f"  {escaped(description)}")
        agreed = typer.confirm("Do it?", default=False)
        self._declined = [] if agreed else wanted
        return agreed

    def _report(self, outcome: SyncResult) -> None:
        for line in outcome.done:
            say(f"tables     {escaped(line)}")
        if outcome.left != self._left:
            for line in outcome.left:
                say(f"not done   {escaped(line)}", style="yellow")
            if outcome.left:
                say(BY_REVISIONS if outcome.by_revisions else ASK_IN_TERMINAL, style="yellow")
        self._left = outcome.left
        if outcome.unchanged != self._unchanged:
            for line in outcome.unchanged:
                say(f"not done   {escaped(line)}", style="yellow")
        self._unchanged = outcome.unchanged


BY_REVISIONS = (
    "           this database is kept by your revisions: `convexpy db revision -m …`, then `convexpy db upgrade`"
)
ASK_IN_TERMINAL = "           it would lose data: `convexpy dev` asks about it when it is started in a terminal"

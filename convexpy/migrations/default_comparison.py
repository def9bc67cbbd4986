"""Compares server defaults that are plain strings, because Alembic stumbles over an apostrophe in one.

This file imports Alembic, whose import takes longer than everything else: import it only when there is something to
compare.
"""

from __future__ import annotations

import re
from typing import Any, Final

from alembic.operations.ops import AlterColumnOp
from alembic.runtime.plugins import Plugin
from alembic.util import DispatchPriority, PriorityDispatchResult
from sqlalchemy import Column

NAME: Final = "convexpy.defaults"
PLUGINS: Final = ["alembic.autogenerate.*", NAME]
"""Alembic's option ``autogenerate_plugins``: what it compares with by itself, and this."""

STRING: Final = re.compile(r"\(*'((?:[^']|'')*)'(?:::[^']+)?\)*")


def compare_string_default(
    context: object,
    alter: AlterColumnOp,
    schema: str | None,
    table: str,
    name: str,
    in_database: Column[Any],
    in_models: Column[Any],
) -> PriorityDispatchResult:
    """Compare if it is a string with an apostrophe, and leave everything else to Alembic."""
    wanted = getattr(in_models.server_default, "arg", None)
    if not isinstance(wanted, str) or "'" not in wanted:
        return PriorityDispatchResult.CONTINUE
    alter.existing_server_default = in_database.server_default
    found = STRING.fullmatch(str(getattr(in_database.server_default, "arg", "")))
    if found is None or found[1].replace("''", "'") != wanted:
        alter.modify_server_default = in_models.server_default
    return PriorityDispatchResult.STOP


Plugin(NAME).add_autogenerate_comparator(
    compare_string_default, "column", "server_default", priority=DispatchPriority.FIRST
)

"""Hides the framework's tables from a user's own Alembic, which otherwise proposes to drop them.

Alembic 1.18 and later find this module by the entry point that convexpy declares, so nothing needs to be configured.
An env.py that lists ``autogenerate_plugins`` by name passes the function to Alembic instead::

    from convexpy.migrations.autogenerate import include_name

    context.configure(connection=connection, target_metadata=Base.metadata, include_name=include_name)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..database.tables import FRAMEWORK_TABLES

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext
    from alembic.operations.ops import MigrateOperation, UpgradeOps
    from alembic.runtime.plugins import Plugin
    from alembic.util import PriorityDispatchResult


def include_name(name: str | None, type_: str, parent_names: Mapping[str, str | None]) -> bool:
    """Alembic's filter by name: False for the framework's tables, True for all else."""
    return not (type_ == "table" and name in FRAMEWORK_TABLES and parent_names.get("schema_name") is None)


# Alembic imports this module while it is being imported itself, so the functions import what they need of it.


def setup(plugin: Plugin) -> None:
    """Called by Alembic with the plugin that it made for this module."""
    from alembic.util import DispatchPriority

    # LAST: after the comparison of tables has added its operations.
    plugin.add_autogenerate_comparator(hide_framework_tables, "autogenerate", priority=DispatchPriority.LAST)


def hide_framework_tables(context: AutogenContext, upgrade: UpgradeOps) -> PriorityDispatchResult:
    """Remove operations on the framework's tables from a proposed revision."""
    from alembic.util import PriorityDispatchResult

    upgrade.ops[:] = [operation for operation in upgrade.ops if not is_on_framework_table(operation)]
    return PriorityDispatchResult.CONTINUE


def is_on_framework_table(operation: MigrateOperation) -> bool:
    return getattr(operation, "table_name", None) in FRAMEWORK_TABLES and getattr(operation, "schema", None) is None

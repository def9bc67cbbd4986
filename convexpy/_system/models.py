"""The tables that an app declares: those of the models in its modules."""

from __future__ import annotations

from typing import Any

from sqlalchemy import MetaData, Table

from ..database.data.catalog import Models
from ..database.tables import metadata as framework
from ..functions.load import App


def models_of(app: App) -> Models:
    """By schema and name, the framework's among them. Modules that only use a model count as well."""
    found = {id(framework): framework}
    for module in app.modules.values():
        for value in list(vars(module).values()):
            if isinstance(value, MetaData | Table | type):
                metadata: Any = getattr(value, "metadata", value)
                if isinstance(metadata, MetaData):
                    found[id(metadata)] = metadata
    return {(table.schema, table.name): table for each in found.values() for table in each.tables.values()}

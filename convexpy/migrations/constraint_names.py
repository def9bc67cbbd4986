"""Names for constraints that have none: Alembic can add and drop on SQLite only what has a name."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import ForeignKeyConstraint, MetaData

from ..database.tables import FRAMEWORK_TABLES

NAMES: Final = {
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
}


def name_of(constraint: Any) -> str:
    """What NAMES makes of a unique constraint or a foreign key."""
    columns = "_".join(column.name for column in constraint.columns)
    if isinstance(constraint, ForeignKeyConstraint):
        return f"fk_{constraint.table.name}_{columns}_{constraint.elements[0].target_fullname.split('.')[-2]}"
    return f"uq_{constraint.table.name}_{columns}"


def with_names(metadata: MetaData) -> MetaData:
    """A copy of the models in which every unique constraint and foreign key has a name, theirs or ours."""
    if metadata.naming_convention.keys() & NAMES.keys():
        return metadata
    convention: dict[Any, Any] = {**metadata.naming_convention, **NAMES}
    named = MetaData(naming_convention=convention)
    for key, table in metadata.tables.items():
        if key not in FRAMEWORK_TABLES:
            table.to_metadata(named)
    return named

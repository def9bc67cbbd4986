"""PostgreSQL's own enumerations: a new member of an Enum is added to its type.

Imports Alembic, which takes longer than all other imports: import it only when there is something to compare.
"""

from __future__ import annotations

from collections.abc import Iterator

from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from sqlalchemy import ARRAY, Connection, Enum, MetaData, Table, TypeDecorator, text
from sqlalchemy.types import TypeEngine

from ..database.tables import FRAMEWORK_TABLES

LABELS = text("SELECT enumlabel FROM pg_enum WHERE enumtypid = to_regtype(:type) ORDER BY enumsortorder")


class AddMemberOp(ops.MigrateOperation):
    """A type gets a member. PostgreSQL lets nothing use it before the transaction is committed."""

    def __init__(self, model: Table, type_name: str, sql: str, member: str) -> None:
        self.table_name, self.schema = model.name, model.schema
        self.model, self.sql = model, sql
        self.description = f"add {member!r} to the type {type_name}"

    def to_diff_tuple(self) -> tuple[str, str]:
        return ("add_member", self.sql)


def compare_enums(connection: Connection, metadata: MetaData) -> tuple[list[AddMemberOp], list[str]]:
    """The members to add; and what is not changed, with what to do."""
    added: dict[str, AddMemberOp] = {}
    unchanged: dict[str, str] = {}
    if connection.dialect.name != "postgresql":
        return [], []
    for key, table in metadata.tables.items():
        for enum in () if key in FRAMEWORK_TABLES else enums_of(table):
            name = type_name(connection, enum)
            there = list(connection.execute(LABELS, {"type": name}).scalars())
            if not there:  # the type is made with its table or column
                continue
            wanted = list(enum.enums)
            for number, member in enumerate(wanted):
                if member not in there:
                    sql = f"ALTER TYPE {name} ADD VALUE {literal(member)} {place(wanted, number, there)}".rstrip()
                    added.setdefault(sql, AddMemberOp(table, name, sql, member))
            if gone := [member for member in there if member not in wanted]:
                unchanged[name] = (
                    f"the type {name} keeps {', '.join(map(repr, gone))}, which the models no longer have: PostgreSQL "
                    "drops no member of a type. It does no harm while no row has it; to be rid of it, make a new type"
                )
            elif [member for member in wanted if member in there] != there:
                unchanged[name] = (
                    f"the type {name} sorts its members as before: PostgreSQL does not move them. To change their "
                    "order, make a new type"
                )
    return list(added.values()), list(unchanged.values())


def place(wanted: list[str], number: int, there: list[str]) -> str:
    """Where a new member comes. Those before it are there, or are added before it."""
    if number:
        return f"AFTER {literal(wanted[number - 1])}"
    return next((f"BEFORE {literal(member)}" for member in wanted if member in there), "")


def enums_of(table: Table) -> Iterator[Enum]:
    """The native enumerations of a table's columns, of arrays and of the user's own types too."""
    for column in table.columns:
        kind: TypeEngine[object] = column.type
        while isinstance(kind, TypeDecorator | ARRAY):
            kind = kind.impl_instance if isinstance(kind, TypeDecorator) else kind.item_type
        if isinstance(kind, Enum) and kind.native_enum and kind.name:
            yield kind


def type_name(connection: Connection, enum: Enum) -> str:
    quote = connection.dialect.identifier_preparer.quote
    return f"{quote(enum.schema)}.{quote(str(enum.name))}" if enum.schema else quote(str(enum.name))


def literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


@renderers.dispatch_for(AddMemberOp)
def render(context: AutogenContext, operation: AddMemberOp) -> list[str]:
    """The lines of a revision: in a transaction of its own, so that later operations can use the member."""
    prefix = context.opts["alembic_module_prefix"]
    return [f"with {prefix}get_context().autocommit_block():", f"{prefix}execute({operation.sql!r})", ""]

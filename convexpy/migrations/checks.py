"""Changes the CHECK constraints of a table to those of its model, and writes that into a revision.

Imports Alembic, which takes longer than all other imports: import it only when tables change.
"""

from __future__ import annotations

from typing import Any

from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations import Operations, ops
from alembic.runtime.migration import MigrationContext
from sqlalchemy import CheckConstraint, Connection, Dialect, MetaData, Table, inspect, text
from sqlalchemy.schema import AddConstraint

from . import sqlite_batch
from .definitions import changed_definitions, checks_of, read, wanted_definitions


class ChangeChecksOp(ops.MigrateOperation):
    """The CHECKs of a table become those of its model."""

    def __init__(self, model: Table, metadata: MetaData, new_columns: frozenset[str] = frozenset()) -> None:
        self.new_columns = new_columns
        """Columns that are added before, with the CHECKs that spell out their types."""
        self.table_name, self.schema = model.name, model.schema
        self.model, self.metadata = model, metadata

    def to_diff_tuple(self) -> tuple[str, str]:
        return ("change_checks", self.table_name)


def change_checks(connection: Connection, operation: ChangeChecksOp) -> None:
    """Whatever other steps have changed of them already is left as it is."""
    model = operation.model
    if connection.dialect.name == "sqlite":
        if any(change.checks for change in changed_definitions(connection, operation.metadata, [model])):
            rebuild(connection, model)
        return
    gone, new = differing(connection, operation)
    name = connection.dialect.identifier_preparer
    for each in gone:
        connection.exec_driver_sql(f"ALTER TABLE {name.format_table(model)} DROP CONSTRAINT {name.quote(each)}")
    for check in new:
        connection.execute(AddConstraint(check, isolate_from_table=False))


def differing(connection: Connection, operation: ChangeChecksOp) -> tuple[list[str], list[CheckConstraint]]:
    """On PostgreSQL: the names of the CHECKs that go, and those of the model that come."""
    model = operation.model
    its = wanted_definitions(connection, operation.metadata, [model])[model]
    there = read(connection, model, model.schema)
    before, after = dict(there.checks), dict(its.checks)
    named = {str(each.name): each for each in checks_of(model) if each.name in after}
    changed = [name for name in named if before.get(name) != after.get(name)]
    new = [named[name] for name in changed]
    unnamed = sorted(sql for name, sql in its.checks if name not in named)
    others = {str(name): sql for name, sql in there.checks if name not in named}
    gone = [name for name in changed if name in before]
    if sorted(others.values()) != unnamed:
        gone += others
        new += [each for each in checks_of(model) if each not in named.values()]
    return gone, new


def rebuild(connection: Connection, model: Table) -> None:
    """On SQLite: make a new copy of the table with the model's CHECKs."""
    sqlite_batch.register()
    alembic = Operations(MigrationContext.configure(connection))
    impl: Any = alembic.impl
    impl.replaces_checks = True
    checks = tuple(CheckConstraint(text(escaped(sql)), name=name) for name, sql in sql_of(connection, model))
    with alembic.batch_alter_table(model.name, schema=model.schema, recreate="always", table_args=checks) as batch:
        for name in named_checks(connection, model):
            batch.drop_constraint(name, type_="check")


def named_checks(connection: Connection, model: Table) -> list[str]:
    checks = inspect(connection).get_check_constraints(model.name, model.schema)
    return [each["name"] for each in checks if each["name"] is not None]


def sql_of(connection: Connection, model: Table) -> list[tuple[str | None, str]]:
    """The CHECKs of the model, by name and SQL."""
    return [
        (
            name_of(each),
            compiled(each, connection.dialect),
        )
        for each in checks_of(model)
    ]


def compiled(check: CheckConstraint, dialect: Dialect) -> str:
    options = {"literal_binds": True, "include_table": False}
    return str(check.sqltext.compile(dialect=dialect, compile_kwargs=options))


def render_check(check: CheckConstraint, dialect: Dialect) -> str | None:
    """A CHECK of a new table in a revision. None: Alembic writes it well enough.

    It writes a colon as it is, and SQLAlchemy then takes the word behind it for a parameter, which becomes NULL.
    """
    sql = compiled(check, dialect)
    if ":" not in sql or getattr(check, "_type_bound", False):
        return None
    return f"sa.CheckConstraint(sa.text({escaped(sql)!r}), name={name_of(check)!r})"


@renderers.dispatch_for(ChangeChecksOp)
def render(context: AutogenContext, operation: ChangeChecksOp) -> list[str]:
    """The lines of a revision."""
    connection, model, prefix = context.connection, operation.model, context.opts["alembic_module_prefix"]
    assert connection is not None
    if connection.dialect.name == "sqlite":
        return render_rebuild(connection, operation, prefix)
    gone, new = differing(connection, operation)
    place = f"{model.name!r}, schema={model.schema!r}"
    lines = [f"{prefix}drop_constraint({name!r}, {place}, type_='check')" for name in gone]
    sql = {each: sql for each, (_, sql) in zip(checks_of(model), sql_of(connection, model), strict=True)}
    return [
        *lines,
        *(
            f"{prefix}create_check_constraint({name_of(each)!r}, {model.name!r}, sa.text({escaped(sql[each])!r}), "
            f"schema={model.schema!r})"
            for each in new
            if not is_added(each, operation.new_columns)
        ),
    ]


def render_rebuild(connection: Connection, operation: ChangeChecksOp, prefix: str) -> list[str]:
    model = operation.model
    checks = sql_of(connection, model)
    if not checks:  # without one, those without a name are kept
        return [f"# {model.name} has no CHECK any more: make a new copy of the table here", "pass"]
    listed = ", ".join(f"sa.CheckConstraint(sa.text({escaped(sql)!r}), name={name!r})" for name, sql in checks)
    begin = f"with {prefix}batch_alter_table({model.name!r}, recreate='always', table_args=[{listed}]) as batch_op:"
    added = [name_of(each) for each in checks_of(model) if is_added(each, operation.new_columns)]
    gone = [*named_checks(connection, model), *filter(None, added)]
    dropped = [f"batch_op.drop_constraint({name!r}, type_='check')" for name in gone]
    return [begin, *(dropped or ["pass"]), ""]


def is_added(check: CheckConstraint, new_columns: frozenset[str]) -> bool:
    is_of_type = bool(getattr(check, "_type_bound", False))
    return is_of_type and any(column.name in new_columns for column in check.columns)


def name_of(check: CheckConstraint) -> str | None:
    return str(check.name) if isinstance(check.name, str) else None


def escaped(sql: str) -> str:
    return sql.replace(":", "\\:")

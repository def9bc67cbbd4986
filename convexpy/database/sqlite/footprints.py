"""Footprints on SQLite: tables by its own word, keys by the compiled statement."""

from __future__ import annotations

from typing import Any

from ..footprints import Footprints, is_framework_table
from ..read_set import ReadSet
from ..statement_keys import StatementKeys, pins_with_values
from ..write_keys import WriteKeys
from ..write_set import WriteSet
from .authorizer import Authorizer, StatementTables


class SQLiteFootprints(Footprints):
    """SQLite names the tables of a statement while it prepares it, so they are added when the next one is sent."""

    def __init__(self, authorizer: Authorizer, writes: WriteSet, reads: ReadSet | None) -> None:
        super().__init__(writes, reads)
        self._authorizer = authorizer
        self._is_pending = False
        self._keys: StatementKeys | None = None
        self._context: Any = None

    def observe(self, statement: str, context: Any) -> None:
        if self._is_pending:
            self.settle_statement()
        keys = StatementKeys.of(statement, context)
        if keys is not None:
            if keys.loads_made_up_rows:
                self.loads_made_up_rows = True
            if self._reads is None and not keys.is_change and not keys.has_text:
                self._authorizer.ignore()  # a SELECT writes nothing
                return
        self._authorizer.listen(statement)
        self._is_pending, self._keys, self._context = True, keys, context

    def pause(self) -> None:
        self.settle_statement()
        self._authorizer.ignore()

    def settle(self) -> None:
        self.settle_statement()

    def settle_statement(self) -> None:
        if not self._is_pending:
            return
        keys, context = self._keys, self._context
        self._is_pending, self._keys, self._context = False, None, None
        tables = self._authorizer.tables()
        if self._reads is not None:
            self._add_reads(self._reads, keys, context, tables)
        else:
            self._add_writes(keys, context, tables)

    def _add_reads(
        self, reads: ReadSet, keys: StatementKeys | None, context: Any, tables: StatementTables | None
    ) -> None:
        if tables is None or tables.reads_schema or tables.changes_schema:
            reads.add_everything()
            return
        pinned = pinned_tables(keys, tables)
        for table in tables.reads:
            chosen = pinned.get(table)
            self._read_rows(table, pins_with_values(chosen, context) if chosen is not None else None)

    def _add_writes(self, keys: StatementKeys | None, context: Any, tables: StatementTables | None) -> None:
        if tables is None or tables.changes_schema:
            self._writes.add_everything()
            return
        own = keys.keys if keys is not None else None
        if keys is None or own is None:
            self._wrote_whole(tables.writes)
            return
        names, others = plan_of(keys, own, tables)
        if others:
            self._wrote_whole(others)
        if names:
            self._wrote(own, context, names)


def pinned_tables(keys: StatementKeys | None, tables: StatementTables) -> dict[str, Any]:
    """The tables of which each occurrence is pinned by a column that can be, and these columns."""
    if keys is None or not keys.pins:
        return {}
    plan = keys.plan
    if plan is None or plan[0] is not tables:
        names = [table.name.lower() for table in keys.read]
        found: dict[str, Any] = {}
        for table, choices in keys.pins.items():
            real = next((name for name in tables.reads if name.lower() == table.name.lower()), None)
            if real is None or names.count(real.lower()) != 1 or not tables.reads_directly(real):
                continue
            chosen = [
                next((pin for pin in choice if tables.can_pin(real, pin.column, pin.family)), None)
                for choice in choices
            ]
            if None not in chosen:
                found[real] = chosen
        plan = keys.plan = (tables, found)
    pinned: dict[str, Any] = plan[1]
    return pinned


def plan_of(keys: StatementKeys, own: WriteKeys, tables: StatementTables) -> tuple[tuple[str, ...], frozenset[str]]:
    """The table that a statement names, if its keys hold, and the tables that are written whole."""
    plan = keys.plan
    if plan is None or plan[0] is not tables:
        name = own.table.name
        is_plain = tables.writes_as_written(name, "upsert" if own.is_upsert else own.kind, own.set_columns)
        names = (name,) if is_plain and not is_framework_table(name) else ()
        plan = keys.plan = (tables, names, tables.writes - {name} if is_plain else tables.writes)
    return plan[1], plan[2]

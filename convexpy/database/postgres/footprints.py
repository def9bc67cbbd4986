"""Footprints on PostgreSQL: by the compiled statement and the catalog, and by locks for what these do not explain."""

from __future__ import annotations

from typing import Any, Final, NamedTuple, Protocol

from ..footprints import Footprints, is_framework_table
from ..read_set import ReadSet
from ..statement_keys import StatementKeys, pins_with_values
from ..tables import commits, metadata_table
from ..write_set import WriteSet
from .catalog import FOREIGN, SEQUENCE, Catalog, Schema, names_of
from .connection import IN_TRANSACTION
from .relation_locks import relation_locks

INDEXES: Final = ("i", "I", "t", "c")
READ_BY_ROUNDS: Final = frozenset((commits.name, metadata_table.name))
"""What the framework itself reads in the snapshot of a live run."""


class LockHolder(Protocol):
    """The transaction whose footprints are recorded."""

    driver: Any

    def let_go_of_locks(self) -> None:
        """Release the locks of everything that was read so far, if nothing needs them."""
        ...


class WritePlan(NamedTuple):
    """What a statement writes."""

    schema: Schema
    is_explained: bool
    """False: locks must tell."""
    names: tuple[str, ...]
    """The table whose keys are known, and its partitions and parents."""
    whole: frozenset[str]


class ReadPlan(NamedTuple):
    """What a statement reads."""

    schema: Schema
    is_explained: bool
    pinned: tuple[tuple[str, Any], ...]
    whole: frozenset[str]


class PostgresFootprints(Footprints):
    """Asks for the locks at most once, before COMMIT or at the end of a run; and once before the first write whose keys
    are known, because from then on it could not be told who has locked what."""

    def __init__(self, transaction: LockHolder, catalog: Catalog, writes: WriteSet, reads: ReadSet | None) -> None:
        super().__init__(writes, reads)
        self._transaction = transaction
        self._catalog = catalog
        self._asks = False
        self._has_keys = False
        self._streams = False
        self._changes_schema = False

    def observe(self, statement: str, context: Any) -> None:
        keys = StatementKeys.of(statement, context)
        if self._reads is not None:
            self._observe_read(self._reads, keys, context)
            return
        if keys is None:
            if context.isddl:
                self._changes_schema = True
                self._writes.add_everything()
            self._asks = True
            return
        if keys.loads_made_up_rows:
            self.loads_made_up_rows = True
        if not (keys.is_change or keys.has_text or keys.functions or keys.operators):
            return
        plan = self._write_plan(keys)
        if not plan.is_explained:
            self._asks = True
            return
        if not keys.is_change:
            return
        if self._asks and not self._has_keys and not plan.schema.has_deferred_triggers:
            self._ask()
        self._has_keys = True
        if plan.whole:
            self._wrote_whole(plan.whole)
        if plan.names:
            assert keys.keys is not None
            self._wrote(keys.keys, context, plan.names)

    def pause(self) -> None:
        return

    def settle(self) -> None:
        if self._asks:
            self._ask()

    def before_undo(self) -> None:
        if self._asks and self._reads is not None:
            self._ask()
            self._asks = True

    def committed(self) -> None:
        if self._changes_schema:
            self._catalog.forget()

    def _write_plan(self, keys: StatementKeys) -> WritePlan:
        schema = self._catalog.schema()
        plan = keys.plan
        if isinstance(plan, WritePlan) and plan.schema is schema:
            return plan
        plan = keys.plan = write_plan(schema, keys)
        if not plan.is_explained and (unknown := unknown_names(schema, keys)):
            plan = keys.plan = write_plan(self._catalog.schema_with(unknown), keys)
        return plan

    def _observe_read(self, reads: ReadSet, keys: StatementKeys | None, context: Any) -> None:
        if getattr(context, "_is_server_side", False):
            self._streams = True
        if keys is None or keys.is_change:
            self._begin_to_ask()
            return
        schema = self._catalog.schema()
        plan = keys.plan
        if not isinstance(plan, ReadPlan) or plan.schema is not schema:
            plan = keys.plan = read_plan(schema, keys)
            if not plan.is_explained and (unknown := unknown_names(schema, keys)):
                plan = keys.plan = read_plan(self._catalog.schema_with(unknown), keys)
        if not plan.is_explained:
            self._begin_to_ask()
        for name in plan.whole:
            self._read_whole(name)
        for name, chosen in plan.pinned:
            self._read_rows(name, pins_with_values(chosen, context))

    def _begin_to_ask(self) -> None:
        """From here on the run's locks tell what it reads. Those of earlier runs would be taken for its own."""
        if not self._asks:
            self._asks = self.is_opaque = True
            if not self._streams:
                self._transaction.let_go_of_locks()

    def _ask(self) -> None:
        self._asks = False
        schema = self._catalog.schema()
        driver = self._transaction.driver
        if self._reads is None and schema.has_deferred_triggers:
            # At COMMIT they would run anyway, but nobody could ask what they have written.
            driver.execute("SET CONSTRAINTS ALL IMMEDIATE", prepare=False)
        if self._reads is not None and driver.pgconn.transaction_status != IN_TRANSACTION:
            self._reads.add_everything()  # a statement failed, and nothing can be asked any more
            return
        locks = relation_locks(driver)
        if self._reads is not None:
            self._add_used(self._reads, locks.used)
            return
        if locks.changed:
            self._changes_schema = True
        if not locks.written <= schema.relations.keys():
            schema = self._catalog.load()
        for oid in locks.written:
            relation = schema.relations.get(oid)
            if relation is None:  # this transaction has created it
                self._writes.add_everything()
            elif relation.kind not in (*INDEXES, SEQUENCE):
                self._wrote_whole(names_of(schema, schema.family(oid)))

    def _add_used(self, reads: ReadSet, used: frozenset[int]) -> None:
        schema = self._catalog.schema()
        if not used <= schema.relations.keys():
            schema = self._catalog.load()
        for oid in used:
            relation = schema.relations.get(oid)
            if relation is None or relation.kind in (FOREIGN, SEQUENCE):  # their changes are recorded nowhere
                reads.add_everything()
            elif relation.kind not in INDEXES and not relation.is_temporary and relation.name not in READ_BY_ROUNDS:
                self._read_whole(relation.name)


def unknown_names(schema: Schema, keys: StatementKeys) -> frozenset[object]:
    """What a statement names and the schema does not have. It may be new."""
    tables = [table for table in (*keys.read, *keys.written) if schema.find(table) is None]
    return frozenset((*tables, *(name for name in keys.functions if not schema.knows(name))))


def write_plan(schema: Schema, keys: StatementKeys) -> WritePlan:
    """What a statement writes, with all that follows from it."""
    unexplained = WritePlan(schema, False, (), frozenset())
    if keys.has_text or not schema.calls_nothing_of_the_user(keys.functions, keys.operators):
        return unexplained
    whole: set[str] = set()
    for each in (*keys.read, *keys.written):
        table = schema.find(each)
        if table is None or (each not in keys.written and not schema.reads_only_itself(table)):
            return unexplained
    for each in keys.written:
        table = schema.find(each)
        assert table is not None
        own = keys.keys
        kind = "upsert" if (own is None and keys.kind == "insert") or (own is not None and own.is_upsert) else keys.kind
        kinds = (kind,) if len(keys.written) == 1 and own is not None else ("upsert", "delete")
        family = schema.family(table)
        is_plain = own is not None
        for one in kinds:
            closure = schema.closure(table, one, own.set_columns if own is not None and one == "update" else None)
            if not closure.is_known:
                return unexplained
            whole |= names_of(schema, closure.tables)
            is_plain = is_plain and closure.tables.isdisjoint(family)
        if not is_plain:
            whole |= names_of(schema, family)
        else:
            names = tuple(name for name in names_of(schema, family) if not is_framework_table(name))
            return WritePlan(schema, True, names, frozenset(whole))
    return WritePlan(schema, True, (), frozenset(whole))


def read_plan(schema: Schema, keys: StatementKeys) -> ReadPlan:
    """What a SELECT reads, with what stands behind it."""
    is_explained = not keys.has_text and schema.calls_nothing_of_the_user(keys.functions, keys.operators)
    pinned: list[tuple[str, Any]] = []
    whole: set[str] = set()
    oids = [schema.find(table) for table in keys.read]
    for table, oid in zip(keys.read, oids, strict=True):
        if oid is None or not schema.reads_only_itself(oid):
            is_explained = False
            continue
        chosen = [
            next((pin for pin in choice if schema.can_pin(oid, pin.column, pin.family)), None)
            for choice in keys.pins.get(table, ())
        ]
        name = schema.relations[oid].name
        if chosen and None not in chosen and oids.count(oid) == 1:
            pinned.append((name, chosen))
        else:
            whole.add(name)
    return ReadPlan(schema, is_explained, tuple(pinned), frozenset(whole))

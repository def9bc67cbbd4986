"""``Authorizer``: which tables a statement reads and writes, as SQLite says itself when it prepares the statement.

SQLite asks about views, triggers and foreign-key actions as well. It asks only when it prepares, so what it asked is
kept by text, for each connection. The driver keeps fewer prepared statements than texts are kept here, so a text of
which nothing is known is one that was never announced here. It counts as everything.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection

from ..key_columns import Family

MOST_TEXTS: Final = 1000
"""That are kept, several times as many as the driver keeps statements (128)."""
AUTHORIZER: Final = "convexpy_authorizer"

READ, INSERT, UPDATE, DELETE = sqlite3.SQLITE_READ, sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE
WRITES: Final = (INSERT, UPDATE, DELETE)
SCHEMA_CHANGES: Final = frozenset(
    getattr(sqlite3, f"SQLITE_{name}")
    for name in (
        *(f"{verb}_{what}" for verb in ("CREATE", "DROP") for what in ("INDEX", "TABLE", "TRIGGER", "VIEW", "VTABLE")),
        *("ALTER_TABLE", "REINDEX", "ATTACH", "DETACH"),
    )
)
RELEVANT: Final = SCHEMA_CHANGES | {READ, *WRITES}
OWN_PREFIX: Final = "sqlite_"


class Access(NamedTuple):
    """One question of SQLite. ``within``: the view, trigger or WITH that asks for it."""

    action: int
    table: str
    column: str | None
    within: str | None


class StatementTables:
    """The tables of one text, by the schema that it was prepared for. SQLite prepares it anew for another schema."""

    def __init__(
        self, driver: sqlite3.Connection, questions: list[tuple[Any, ...]], before: StatementTables | None
    ) -> None:
        """``before``: what was known of the text. It stays: something else may have been prepared this time."""
        self._driver = driver
        self.changes_schema = any(question[0] in SCHEMA_CHANGES for question in questions)
        # Tables of attached databases go by their bare names: SQLite does not always say whose a table is.
        accesses = [
            Access(action, str(first), second, within)
            for action, first, second, _, within in questions
            if action not in SCHEMA_CHANGES
        ]
        self._written = [each for each in accesses if each.action in WRITES and not is_own(each.table)]
        self.writes = frozenset(each.table for each in self._written)
        read = [each for each in accesses if each.action == READ]
        self.reads_schema = any(is_own(each.table) for each in read)
        self.reads = frozenset(each.table for each in read if not is_own(each.table))
        within = {each.within for each in read if each.within is not None}
        views = self._views() if within else frozenset()
        self._read_by_views = frozenset(each.table for each in read if each.within in views)
        if before is not None:
            self.writes |= before.writes
            self.reads |= before.reads
            self._read_by_views |= before._read_by_views
        self._pinnable: dict[str, dict[str, frozenset[Family]]] = {}
        self._replaces: dict[str, bool] = {}

    def reads_directly(self, table: str) -> bool:
        """Whether no view reads it besides."""
        return table not in self._read_by_views

    def writes_as_written(self, table: str, kind: str, set_columns: frozenset[str]) -> bool:
        """Whether the statement's own INSERT, UPDATE or DELETE is all that changes a table: no trigger, no cascade, no
        row that gives way to a new one.

        Args:
            kind: ``insert``, ``update``, ``delete``, or ``upsert``.
            set_columns: What an UPDATE sets.
        """
        mine = [each for each in self._written if each.table == table]
        counts = Counter((each.action, each.column) for each in mine)
        if any(each.within is not None for each in mine) or max(counts.values(), default=0) != 1:
            return False
        actions = {each.action for each in mine}
        if kind == "upsert":
            is_plain = actions <= {INSERT, UPDATE}
        elif kind == "update":
            is_plain = actions == {UPDATE} and {str(each.column) for each in mine} <= set_columns
        else:
            is_plain = actions == {INSERT if kind == "insert" else DELETE}
        return is_plain and not self._may_replace(table)

    def can_pin(self, table: str, column: str, family: Family) -> bool:
        """Whether equal values of a column are equal in Python: by its affinity, its collation, and no expression."""
        if table not in self._pinnable:
            self._pinnable[table] = self._families(table)
        return family in self._pinnable[table].get(column, ())

    def _may_replace(self, table: str) -> bool:
        if table not in self._replaces:
            # A constraint's ON CONFLICT REPLACE deletes other rows. The word stands nowhere else without a reason.
            self._replaces[table] = "REPLACE" in self._definition(table).upper()
        return self._replaces[table]

    def _families(self, table: str) -> dict[str, frozenset[Family]]:
        collates = "COLLATE" in self._definition(table).upper()
        found: dict[str, frozenset[Family]] = {}
        for name, declared, hidden in self._driver.execute(
            "SELECT name, type, hidden FROM pragma_table_xinfo(?)", (table,)
        ):
            kind = str(declared).upper()
            if hidden:  # generated: it changes with other columns
                continue
            if "INT" in kind:
                found[name] = frozenset(("int", "bool"))
            elif any(word in kind for word in ("CHAR", "CLOB", "TEXT")):
                found[name] = frozenset() if collates else frozenset(("text", "uuid"))
            elif not any(word in kind for word in ("BLOB", "REAL", "FLOA", "DOUB")) and kind:
                found[name] = frozenset(("int", "bool"))  # BOOLEAN, of numeric affinity
        return found

    def _definition(self, table: str) -> str:
        rows = self._driver.execute("SELECT sql FROM sqlite_master WHERE tbl_name = ? COLLATE NOCASE", (table,))
        return "\n".join(str(row[0]) for row in rows)

    def _views(self) -> frozenset[str]:
        rows = self._driver.execute(
            "SELECT name FROM sqlite_master WHERE type = 'view' UNION SELECT name FROM temp.sqlite_master"
        )
        return frozenset(str(row[0]) for row in rows)


def is_own(table: str) -> bool:
    """Whether a table is SQLite's, such as ``sqlite_master``."""
    return table.lower().startswith(OWN_PREFIX)


class Authorizer:
    """Hears SQLite's questions on one connection, and allows everything. Installed once: each call of
    ``set_authorizer`` makes SQLite prepare all statements anew."""

    def __init__(self, driver: sqlite3.Connection) -> None:
        self._driver = driver
        self._known: dict[str, StatementTables] = {}  # the text that was used last is the last
        self._text: str | None = None
        self._questions: list[tuple[Any, ...]] | None = None
        driver.set_authorizer(self._note)

    def listen(self, text: str) -> None:
        """A statement is about to be sent."""
        self.tables()
        self._text, self._questions = text, []

    def ignore(self) -> None:
        """A statement is about to be sent that does not matter."""
        self.tables()

    def tables(self) -> StatementTables | None:
        """The tables of the statement that was announced, once it was sent. None: they are not known.

        They are kept although its transaction may have failed meanwhile: SQLite does not ask again.
        """
        text, questions = self._text, self._questions
        self._text = self._questions = None
        if text is None:
            return None
        known = self._known.pop(text, None)
        if questions:
            known = StatementTables(self._driver, questions, known)
        if known is not None:
            self._known[text] = known
            if len(self._known) > MOST_TEXTS:
                del self._known[next(iter(self._known))]
        return known

    def _note(self, *question: Any) -> int:
        if self._questions is not None and question[0] in RELEVANT:
            self._questions.append(question)
        return sqlite3.SQLITE_OK


def authorizer_on(connection: Connection) -> Authorizer:
    """The authorizer of a connection, installed now if it has none. It lasts as long as the driver's connection."""
    authorizer: Authorizer | None = connection.info.get(AUTHORIZER)
    if authorizer is None:
        driver: Any = connection.connection.driver_connection
        authorizer = connection.info[AUTHORIZER] = Authorizer(driver)
    return authorizer

"""``StatementKeys``: what a compiled statement reads and writes, known before its values are.

It is made once a compiled statement, and SQLAlchemy caches those. What only the database knows, such as views, triggers
and cascades, is added by the recorder of each database.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy.engine.interfaces import ExecutionContext
from sqlalchemy.orm.context import _ORMCompileState as ObjectLoading
from sqlalchemy.orm.context import _ORMFromStatementCompileState as FromStatement
from sqlalchemy.sql import selectable, visitors
from sqlalchemy.sql.compiler import SQLCompiler

from .key_columns import TableName
from .pins import Pinned, pinned_values, rows_of
from .read_keys import ReadKeys
from .read_set import Pin
from .statement_compiler import NotingCompiler, Rendered, is_standard
from .write_keys import WriteKeys, write_keys

ATTRIBUTE: Final = "convexpy_keys"
MADE_UP: Final = (selectable.Subquery, selectable.CTE, selectable.Values, selectable.TextualSelect)


class StatementKeys:
    """What is known of a compiled statement.

    Attributes:
        has_text: A part of it is text, or rendered by code of the user's, so it may say anything.
        functions: The names of the functions that it calls, in lower case.
        operators: The operators in it that SQLAlchemy does not know.
        read: The tables in its FROMs.
        written: The tables that it names as those to change.
        keys: The keys of the one table that it writes. None: it writes none, or rows of any keys.
    """

    def __init__(self, compiled: NotingCompiler, rendered: Rendered) -> None:
        names = compiled.bind_names
        self._read_keys: ReadKeys | None = None
        self._compiled_names = names
        statements = [scope.select for scope in rendered.scopes] + [statement for _, statement in rendered.changes]
        self.has_text = rendered.has_text or not all(map(is_all_standard, statements))
        self.functions = frozenset(rendered.functions)
        self.operators = frozenset(rendered.operators)
        self.read = frozenset(rendered.tables)
        self.written = frozenset(TableName.of(table_of(statement)) for _, statement in rendered.changes)
        self.is_change = bool(rendered.changes)
        self.kind = rendered.changes[0][0] if rendered.changes else "select"
        self.loads_made_up_rows = loads_made_up_rows(compiled)
        self.keys: WriteKeys | None = None
        self.plan: Any = None
        """What a database's recorder keeps here, made from these keys."""
        if self.is_change:
            is_alone = len(rendered.changes) == 1 and (compiled.isinsert or compiled.isupdate or compiled.isdelete)
            if is_alone and not self.has_text:
                self.keys = write_keys(self.kind, compiled, names.get)
        elif not self.has_text:
            self._read_keys = ReadKeys(rendered, names.get)

    @property
    def pins(self) -> Mapping[TableName, Sequence[tuple[Pinned, ...]]]:
        """The tables that are pinned wherever they occur, and at each place the columns to choose from."""
        return self._read_keys.pins if self._read_keys is not None else {}

    @classmethod
    def of(cls, statement: str, context: ExecutionContext | None) -> StatementKeys | None:
        """What is known of a statement that is about to be sent. None: it has no compiled form, so nothing is."""
        compiled = getattr(context, "compiled", None)
        if compiled is None:
            return None
        keys: StatementKeys | None = getattr(compiled, ATTRIBUTE, None)
        if keys is None:
            if not isinstance(compiled, NotingCompiler):
                return None
            keys = cls._first_of(compiled)
        if compiled.schema_translate_map:
            return None
        # Otherwise an event of the user's has put another text in its place.
        is_its_text = statement is context.statement or context.execute_style.name == "INSERTMANYVALUES"  # type: ignore[union-attr]
        return keys if is_its_text else None

    @classmethod
    def _first_of(cls, compiled: NotingCompiler) -> StatementKeys:
        """Make them. Several threads may, at the same time: what the compiler has noted is given up only afterwards."""
        rendered = compiled.rendered
        if rendered.is_given_up:
            found: StatementKeys = getattr(compiled, ATTRIBUTE)
            return found
        keys: StatementKeys = vars(compiled).setdefault(ATTRIBUTE, cls(compiled, rendered))
        compiled.rendered = Rendered(is_given_up=True)
        return keys


def pins_with_values(chosen: Sequence[Pinned], context: Any) -> set[Pin] | None:
    """The pins of a table in one execution. None: one of them is not known, so any row may have been read."""
    pins: set[Pin] = set()
    for pin in chosen:
        values = pinned_values(pin, rows_of(context), context)
        if values is None:
            return None
        pins.update((pin.column, value) for value in values if value is not None)  # NULL equals nothing
    return pins


def table_of(statement: Any) -> Any:
    """The table that a statement changes, also if it is named by an alias."""
    table = statement.table
    while isinstance(table, selectable.AliasedReturnsRows | selectable.Join):
        table = table.left if isinstance(table, selectable.Join) else table.element
    return table


def is_all_standard(statement: Any) -> bool:
    return all(is_standard(type(element)) for element in visitors.iterate(statement))  # type: ignore[arg-type]


def loads_made_up_rows(compiled: SQLCompiler) -> bool:
    """Whether objects that it loads may have attributes that are not the columns of their rows."""
    state = compiled.compile_state
    if not isinstance(state, ObjectLoading):
        return False
    written: Any = getattr(state, "select_statement", None)  # by the user: without joins of eager loading
    if isinstance(state, FromStatement) or written is None:
        return not compiled.isinsert and not compiled.isupdate and not compiled.isdelete
    return any(isinstance(element, MADE_UP) for element in visitors.iterate(written))

"""SQLAlchemy's compiler, which also notes what it puts into a statement: tables, SELECTs, functions, text.

What is noted is what is rendered, so the joins of eager loading and of inheritance are in it, as are the criteria of
``with_loader_criteria``, and a correlated subquery is there with the FROM that it has in the end. It costs something
once a compilation, and compiled statements are cached by SQLAlchemy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import Any, Final

from sqlalchemy import Engine
from sqlalchemy.sql.compiler import SQLCompiler

from .key_columns import TableName

# Text that can be part of a statement without a meaning of its own: `count(*)`, `EXISTS (SELECT 1 …)`.
HARMLESS_TEXTS: Final = frozenset({"*", "1", "0", "NULL"})
OPERATOR_CHARACTERS: Final = frozenset("+-*/<>=~!@#%^&|`?")


class SelectScope:
    """One SELECT of a statement as it is rendered."""

    __slots__ = ("froms", "outer", "select")

    def __init__(self, select: Any, froms: Sequence[Any], outer: SelectScope | None) -> None:
        """``outer``: the SELECT whose rows this one may refer to."""
        self.select = select
        self.froms = froms
        self.outer = outer


class Rendered:
    """What a compiler has put into its statement."""

    def __init__(self, *, is_given_up: bool = False) -> None:
        """``is_given_up``: it stands for another one, from which everything was taken that is needed."""
        self.is_given_up = is_given_up
        self.tables: Counter[TableName] = Counter()
        """How often each table is read from."""
        self.scopes: list[SelectScope] = []
        self.scope: SelectScope | None = None
        self.changes: list[tuple[str, Any]] = []
        """The kind and the statement of each INSERT, UPDATE and DELETE, the outermost first."""
        self.functions: set[str] = set()
        self.operators: set[str] = set()
        self.has_text = False
        """Text of the user's is in it, which may mean anything."""


class NotingCompiler(SQLCompiler):
    """Mixed into the compiler of each dialect."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.rendered = Rendered()
        super().__init__(*args, **kwargs)  # compiles

    def visit_select(self, select_stmt: Any, *args: Any, **kwargs: Any) -> Any:
        outer = self.rendered.scope
        try:
            return super().visit_select(select_stmt, *args, **kwargs)  # type: ignore[no-untyped-call]
        finally:
            self.rendered.scope = outer

    def _setup_select_stack(
        self, select: Any, compile_state: Any, entry: Any, asfrom: bool, lateral: bool, compound_index: Any
    ) -> Any:
        froms = super()._setup_select_stack(select, compile_state, entry, asfrom, lateral, compound_index)  # type: ignore[no-untyped-call]
        rendered = self.rendered
        # A subquery in FROM is computed by itself, unless it is LATERAL.
        rendered.scope = SelectScope(select, froms, rendered.scope if not asfrom or lateral else None)
        rendered.scopes.append(rendered.scope)
        if select._hints or select._statement_hints:
            rendered.has_text = True
        return froms

    def visit_table(self, table: Any, asfrom: Any = False, **kwargs: Any) -> Any:  # type: ignore[override]
        if asfrom:
            self.rendered.tables[TableName.of(table)] += 1
        return super().visit_table(table, asfrom=asfrom, **kwargs)  # type: ignore[no-untyped-call]

    def visit_insert(self, insert_stmt: Any, *args: Any, **kwargs: Any) -> Any:
        return self._visit_change("insert", insert_stmt, super().visit_insert, args, kwargs)

    def visit_update(self, update_stmt: Any, *args: Any, **kwargs: Any) -> Any:
        return self._visit_change("update", update_stmt, super().visit_update, args, kwargs)

    def visit_delete(self, delete_stmt: Any, *args: Any, **kwargs: Any) -> Any:
        return self._visit_change("delete", delete_stmt, super().visit_delete, args, kwargs)

    def _visit_change(self, kind: str, statement: Any, visit: Any, args: Any, kwargs: Any) -> Any:
        rendered = self.rendered
        outer, rendered.scope = rendered.scope, None
        rendered.changes.append((kind, statement))
        if statement._hints:
            rendered.has_text = True
        try:
            return visit(statement, *args, **kwargs)
        finally:
            rendered.scope = outer

    def visit_textclause(self, textclause: Any, *args: Any, **kwargs: Any) -> Any:
        self.rendered.has_text = True
        return super().visit_textclause(textclause, *args, **kwargs)  # type: ignore[no-untyped-call]

    def visit_textual_select(self, taf: Any, *args: Any, **kwargs: Any) -> Any:
        self.rendered.has_text = True
        return super().visit_textual_select(taf, *args, **kwargs)  # type: ignore[no-untyped-call]

    def visit_tstring(self, tstring: Any, *args: Any, **kwargs: Any) -> Any:
        self.rendered.has_text = True
        return super().visit_tstring(tstring, *args, **kwargs)  # type: ignore[no-untyped-call]

    def visit_column(self, column: Any, *args: Any, **kwargs: Any) -> str:
        if column.is_literal and column.name not in HARMLESS_TEXTS:
            self.rendered.has_text = True
        return super().visit_column(column, *args, **kwargs)

    def visit_function(self, func: Any, *args: Any, **kwargs: Any) -> str:
        self.rendered.functions.add(".".join((*func.packagenames, func.name)).lower())
        return super().visit_function(func, *args, **kwargs)

    def visit_custom_op_binary(self, element: Any, operator: Any, **kwargs: Any) -> Any:
        self._note_operator(operator)
        return super().visit_custom_op_binary(element, operator, **kwargs)  # type: ignore[no-untyped-call]

    def visit_custom_op_unary_operator(self, element: Any, operator: Any, **kwargs: Any) -> Any:
        self._note_operator(operator)
        return super().visit_custom_op_unary_operator(element, operator, **kwargs)  # type: ignore[no-untyped-call]

    def visit_custom_op_unary_modifier(self, element: Any, operator: Any, **kwargs: Any) -> Any:
        self._note_operator(operator)
        return super().visit_custom_op_unary_modifier(element, operator, **kwargs)  # type: ignore[no-untyped-call]

    def _note_operator(self, operator: Any) -> None:
        if set(operator.opstring) <= OPERATOR_CHARACTERS:
            self.rendered.operators.add(operator.opstring)
        else:  # a word may be OR, which binds more weakly than the AND around it
            self.rendered.has_text = True


@cache
def noting(compiler: type[SQLCompiler]) -> type[SQLCompiler]:
    """A dialect's compiler, which notes what it renders."""
    return type(f"Noting{compiler.__name__}", (NotingCompiler, compiler), {})


def note_rendered(engine: Engine) -> None:
    """Let the statements of an engine carry what is in them."""
    engine.dialect.statement_compiler = noting(engine.dialect.statement_compiler)  # type: ignore[arg-type]


@cache
def is_standard(kind: type) -> bool:
    """Whether SQLAlchemy itself renders elements of this class, and not a function of the user's."""
    if hasattr(kind, "_compiler_dispatcher"):  # set by @compiles
        return False
    owner = next((each for each in kind.__mro__ if "_compiler_dispatch" in vars(each)), kind)
    return owner.__module__.startswith("sqlalchemy.")

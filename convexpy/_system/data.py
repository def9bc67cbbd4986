"""``_system/data``: the tables of the database, their rows, and changes of these by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Annotated, Any, Final

from pydantic import Field, StringConstraints
from sqlalchemy import text

from ..database.data import catalog
from ..database.data.cells import LONGEST
from ..database.data.changes import MOST_CHANGES, Change, Changed, Editor, NewValue, SeenValue
from ..database.data.listing import COUNT_SECONDS
from ..database.data.reading import LIMIT_SECONDS, Reading, reading
from ..database.data.refusals import Refused
from ..database.data.relations import related_rows
from ..database.data.rows import Filter, read_page, read_row
from ..database.data.shape import Shape
from ..database.data.values import Cell, LongText
from ..database.footprints import is_framework_table
from ..database.signing_keys import cursor_key
from ..database.tables import FRAMEWORK_TABLES
from ..errors import ConvexError
from ..runtime.cursors import Cursors
from .audit import audit
from .context import (
    LOOKED_EVERY,
    SystemMutationCtx,
    SystemQueryCtx,
    admin_of,
    part_of,
    system_mutation,
    system_query,
)
from .data_documents import (
    CellView,
    ChangeView,
    CountView,
    GivenChange,
    GivenFilter,
    LongCell,
    OneRow,
    Preview,
    RelatedView,
    Rows,
    RowView,
    Saved,
    TableEntry,
    TableView,
)
from .models import models_of

DASHBOARD_SECONDS: Final = 1.5
"""Shorter than what a query of the dashboard may take, so that the answer says what was too slow."""
ROWS_EVERY: Final = timedelta(seconds=2)
MOST_ROWS: Final = 200
MOST_FILTERS: Final = 20
MOST_REASON: Final = 500
VERBS: Final = {"insert": "insert row", "update": "edit row", "delete": "delete row"}

Filters = Annotated[Sequence[GivenFilter], Field(max_length=MOST_FILTERS)]
Changes = Annotated[Sequence[GivenChange], Field(min_length=1, max_length=MOST_CHANGES)]
Reason = Annotated[str, StringConstraints(max_length=MOST_REASON)]


class Undone(Exception):
    """Ends a part of a transaction that is not to be kept."""


@system_query(refresh=LOOKED_EVERY)
def tables(ctx: SystemQueryCtx) -> Sequence[TableEntry]:
    """The tables and views of the app and of the framework, with about how many rows each has."""
    models = models_of(ctx.app)
    with reading(part_of(ctx).transaction, min(COUNT_SECONDS, limit_of(ctx))) as reader:
        listed = catalog.list_tables(reader)
    return [
        TableEntry(
            name=each.title,
            kind=each.kind,
            is_framework=each.schema is None and (is_framework_table(each.name) or each.name in FRAMEWORK_TABLES),
            is_declared=(each.schema, each.name) in models,
            count=CountView.model_validate(asdict(each.count)) if each.count is not None else None,
        )
        for each in listed
    ]


@system_query(refresh=timedelta(seconds=30))
def table(ctx: SystemQueryCtx, table: str) -> TableView:
    """What a table consists of.

    Raises:
        ConvexError: There is no such table (NOT_FOUND).
    """
    with reading(part_of(ctx).transaction, limit_of(ctx)) as reader:
        return TableView.of(shape_of(ctx, reader, table))


@system_query(refresh=ROWS_EVERY)
def rows(
    ctx: SystemQueryCtx,
    table: str,
    filter: Filters = (),
    sort: str | None = None,
    descending: bool = False,
    cursor: str | None = None,
    limit: Annotated[int, Field(ge=1, le=MOST_ROWS)] = 50,
) -> Rows:
    """A page of a table's rows, in the order of a column and then of the key, or of the key alone.

    Args:
        ctx: The context.
        table: The table or view.
        filter: Conditions, all of which a row fits.
        sort: The column to sort by.
        descending: Whether the order is turned round, that of the key too.
        cursor: Where the page before it ended. None: from the beginning.
        limit: How many rows at most.

    Raises:
        ConvexError: There is no such table or column (NOT_FOUND), a filter, the order or the cursor does not fit it
            (BAD_REQUEST), or the database was stopped after some seconds
            (TIMEOUT).
    """
    part = part_of(ctx)
    with reading(part.transaction, limit_of(ctx)) as reader:
        shape = shape_of(ctx, reader, table)
        cursors = Cursors(cursor_key(part.database), repr((ctx.function.name, shape.title, sort, descending)))
        after = cursors.read(cursor, {}) if cursor is not None else None
        filters = [Filter(each.column, each.operator, each.value) for each in filter]
        page = read_page(reader, shape, filters, sort, descending=descending, after=after, limit=limit)
    return Rows(
        columns=[column.name for column in shape.columns],
        rows=[RowView.of(row) for row in page.rows],
        cursor=cursors.write(page.end) if page.end is not None else None,
        order=page.order,
        note=None if page.is_whole else f"{shape.title} has no key: there is no way to go on from here. Filter instead",
    )


@system_query(refresh=ROWS_EVERY)
def row(ctx: SystemQueryCtx, table: str, key: Sequence[str]) -> OneRow | None:
    """One row with its whole values, up to 100,000 characters each, and the rows that it is related to.

    Raises:
        ConvexError: There is no such table (NOT_FOUND), or this is no key of it (BAD_REQUEST).
    """
    with reading(part_of(ctx).transaction, limit_of(ctx)) as reader:
        shape = shape_of(ctx, reader, table)
        found = read_row(reader, shape, key, LONGEST)
        if found is None:
            return None
        shapes = {shape.title: shape}

        def find(title: str) -> Shape:
            return shapes.get(title) or shapes.setdefault(title, shape_of(ctx, reader, title))

        related = [RelatedView.of(each, find) for each in related_rows(reader, shape, key, find)]
    return OneRow(columns=[column.name for column in shape.columns], row=RowView.of(found), related=related)


@system_mutation
def preview(ctx: SystemMutationCtx, table: str, changes: Changes) -> Preview:
    """What changes of rows would do: they are made in a part of the transaction that is undone.

    Raises:
        ConvexError: There is no such table or column (NOT_FOUND), or its rows cannot be changed (FORBIDDEN).
    """
    editor, views = editor_of(ctx, table), []
    try:
        with ctx.db.begin_nested():
            for change in changes:
                try:
                    with ctx.db.begin_nested():
                        changed = editor.apply(change_of(change))
                        check_deferred(ctx)
                except Refused as refused:
                    changed = Changed(change.kind, list(change.key), problem=refused)
                views.append(ChangeView.of(changed))
            raise Undone
    except Undone:
        return Preview(changes=views, is_possible=all(view.problem is None for view in views))


@system_mutation
def save(ctx: SystemMutationCtx, table: str, changes: Changes, reason: Reason = "") -> Saved:
    """Change rows, all of them or none.

    Args:
        ctx: The context.
        table: The table.
        changes: Inserted, changed and deleted rows. A changed or deleted one is named by its key and by the values that
            were seen in it: one that is another by now is refused.
        reason: Kept in the audit log.

    Raises:
        ConvexError: There is no such table or column (NOT_FOUND), its rows cannot be changed (FORBIDDEN), or one of the
            changes cannot be made (CONFLICT); then its data say which one and why.
    """
    editor, saved = editor_of(ctx, table), []
    for number, change in enumerate(changes):
        try:
            changed = editor.apply(change_of(change))
        except Refused as refused:
            raise refused_change(number, change, refused) from refused
        view = ChangeView.of(changed)
        saved.append(view)
        details: dict[str, Any] = {"key": changed.key, "changes": view.difference()}
        if reason:
            details["reason"] = reason
        audit(ctx, VERBS[change.kind], f"{table} {', '.join(changed.key)}"[:MOST_REASON], details)
    try:
        check_deferred(ctx)
    except Refused as refused:
        raise refused_change(len(changes) - 1, changes[-1], refused) from refused
    return Saved(changes=saved)


def refused_change(number: int, change: GivenChange, refused: Refused) -> ConvexError:
    """The error of a change that cannot be made."""
    view = ChangeView.of(Changed(change.kind, list(change.key), problem=refused))
    assert view.problem is not None
    where = f"{refused.column} " if refused.column is not None and not refused.differences else ""
    return ConvexError("CONFLICT", f"{where}{refused.message}", {"index": number, "problem": view.problem.to_json()})


def limit_of(ctx: SystemQueryCtx) -> float:
    """How long a query may look for rows, in seconds."""
    admin = admin_of(ctx)
    return DASHBOARD_SECONDS if admin is not None and admin.is_dashboard else LIMIT_SECONDS


def shape_of(ctx: SystemQueryCtx | SystemMutationCtx, reader: Reading, title: str) -> Shape:
    """What a table consists of, by the database and by what the app declares."""
    return catalog.read_shape(reader, title, models_of(ctx.app))


def editor_of(ctx: SystemMutationCtx, title: str) -> Editor:
    """What changes the rows of a table.

    Raises:
        ConvexError: There is no such table (NOT_FOUND), or its rows cannot be changed (FORBIDDEN).
    """
    transaction = part_of(ctx).transaction
    with reading(transaction) as reader:
        shape = shape_of(ctx, reader, title)
    if shape.why_read_only is not None:
        raise ConvexError("FORBIDDEN", f"rows of {title} cannot be changed: {shape.why_read_only}")
    shapes = {shape.title: shape}

    def find(reader: Reading, other: str) -> Shape:
        return shapes.get(other) or shapes.setdefault(other, shape_of(ctx, reader, other))

    return Editor(transaction, ctx.db.connection(), shape, find)


def change_of(given: GivenChange) -> Change:
    """A change as it was given.

    Raises:
        Refused: It does not say what was seen of the row.
    """
    seen = {each.column for each in given.seen}
    unseen = [each.column for each in given.values if each.column not in seen]
    if given.kind == "update" and unseen:
        raise Refused("cannot be changed unseen: what it was seen to hold is missing", unseen[0])
    if given.kind == "delete" and not seen:
        raise Refused("the row cannot be deleted unseen: what it was seen to hold is missing")
    values = [NewValue(each.column, each.value) for each in given.values]
    looked = [SeenValue(each.column, cell_of(each.value)) for each in given.seen]
    return Change(given.kind, values, list(given.key), looked)


def cell_of(view: CellView) -> Cell:
    return LongText(view.text, view.length) if isinstance(view, LongCell) else view


def check_deferred(ctx: SystemMutationCtx) -> None:
    """Let constraints that wait for COMMIT speak now, so that they can be told from other errors."""
    if part_of(ctx).transaction.dialect == "postgresql":
        ctx.db.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))

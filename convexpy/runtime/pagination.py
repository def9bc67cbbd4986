"""``paginate``: one page of a query, found by the values of the row before it, and not by counting rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar, TypeVarTuple, overload

from sqlalchemy import Row, Select
from sqlalchemy.engine.result import IteratorResult, SimpleResultMetaData

from ..database.signing_keys import cursor_key
from ..errors import CallNotAllowed
from ..functions.pagination import Page, PaginationOpts
from .context import QueryCtx
from .cursors import Cursors, Position
from .keyset import AnySelect, Keyset
from .session import CallTransaction

Item = TypeVar("Item")
View = TypeVar("View")
First = TypeVar("First")
Second = TypeVar("Second")
Others = TypeVarTuple("Others")

SPLIT_FACTOR: Final = 2
"""A page that has grown past so many times its size should be split."""


@overload
def paginate(ctx: QueryCtx, statement: Select[Item], opts: PaginationOpts) -> Page[Item]: ...
@overload
def paginate(
    ctx: QueryCtx, statement: Select[Item], opts: PaginationOpts, view: Callable[[Item], View]
) -> Page[View]: ...
@overload
def paginate(
    ctx: QueryCtx, statement: Select[First, Second, *Others], opts: PaginationOpts
) -> Page[Row[First, Second, *Others]]: ...
@overload
def paginate(
    ctx: QueryCtx,
    statement: Select[First, Second, *Others],
    opts: PaginationOpts,
    view: Callable[[Row[First, Second, *Others]], View],
) -> Page[View]: ...
def paginate(
    ctx: QueryCtx, statement: AnySelect, opts: PaginationOpts, view: Callable[[Any], Any] | None = None
) -> Page[Any]:
    """A page of the statement's rows, in the order of its ``order_by``.

    The primary keys of its tables are added to the order, so that it is total. Rows without a value come first, or last
    in a descending order, unless the statement says otherwise.

    While a client is subscribed to it, a page keeps its boundaries: rows come into it and leave it, and no row is in
    two pages or in none.

    Args:
        ctx: The context of the query.
        statement: A ``select(…)`` without limit. Of one entity or column, its items are those; else its rows.
        opts: Which page.
        view: Makes an item of what the statement selects. By default that is the item.

    Raises:
        ConvexError: The cursor is not one of this query's. Clients begin with the first page again.
        CallNotAllowed: The query has made a page before: the boundaries of one are kept.
        ValueError: The order cannot be kept in a cursor, and what to do about it.
    """
    call = ctx._call
    part: CallTransaction = ctx._transaction
    if part.end_of_page(call) is not None:
        raise CallNotAllowed(f"{ctx.function.name} calls paginate a second time. A query makes one page")
    keyset = Keyset(statement)
    cursors = Cursors(cursor_key(part.database), f"{ctx.function.name} {keyset}")
    begin: Position = () if opts.cursor is None else cursors.read(opts.cursor, keyset.enums)
    known_end = opts.end_cursor or (call.journal if cursors.signed(call.journal) else None)
    items: list[Any] = []
    positions: list[tuple[Any, ...]] = []
    end: Position = None if known_end is None else cursors.read(known_end, keyset.enums)
    if begin is not None:  # nothing comes after the last row
        limit = opts.num_items if known_end is None else None
        items, positions = read(ctx, keyset.between(statement, begin, end or ()).limit(limit), len(keyset.keys))
        if known_end is None and len(items) == opts.num_items:
            end = positions[-1]
    continue_cursor = cursors.write(end)
    part.note_page(call, continue_cursor)
    has_grown = len(items) > SPLIT_FACTOR * opts.num_items
    return Page[Any](
        page=items if view is None else [view(item) for item in items],
        is_done=end is None,
        continue_cursor=continue_cursor,
        split_cursor=cursors.write(positions[len(items) // 2 - 1]) if has_grown else None,
        page_status="SplitRecommended" if has_grown else None,
    )


def read(ctx: QueryCtx, statement: Select[*tuple[Any, ...]], key_count: int) -> tuple[list[Any], list[tuple[Any, ...]]]:
    """The items of a page, and the position of each: the values in its last columns."""
    result = ctx.db.execute(statement).unique()
    names = list(result.keys())[:-key_count]
    rows = result.all()
    positions = [tuple(row[-key_count:]) for row in rows]
    if len(names) == 1:
        return [row[0] for row in rows], positions
    items: IteratorResult[Any] = IteratorResult(
        SimpleResultMetaData(names), iter([tuple(row[:-key_count]) for row in rows])
    )
    return list(items.all()), positions

"""What a compiled statement is known to read and write."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import (
    CHAR,
    Boolean,
    Column,
    Computed,
    Connection,
    Enum,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Numeric,
    String,
    Table,
    Uuid,
    and_,
    bindparam,
    create_engine,
    delete,
    event,
    exists,
    func,
    insert,
    lambda_stmt,
    literal,
    literal_column,
    not_,
    or_,
    select,
    text,
    tuple_,
    union,
    update,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import ColumnElement
from support.waiting import PATIENCE_SECONDS

from convexpy.database.key_columns import key_columns
from convexpy.database.statement_compiler import note_rendered
from convexpy.database.statement_keys import StatementKeys, pins_with_values

metadata = MetaData()
p = Table(
    "p",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("k", Integer, index=True),
    Column("name", String(10), unique=True),
    Column("v", Integer),
)
c = Table(
    "c",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("p_id", ForeignKey("p.id")),
    Column("k", Integer, index=True),
    Column("u", Uuid, index=True),
    Column("flag", Boolean, index=True),
)
pair = Table(
    "pair",
    metadata,
    Column("a", Integer, primary_key=True),
    Column("b", Integer, primary_key=True),
    Column("v", Integer),
)
UUID = uuid.UUID(int=5)


class Shout(ColumnElement[Any]):
    """An element that a function of the user's renders."""

    inherit_cache = True


@compiles(Shout)  # type: ignore[no-untyped-call, untyped-decorator]
def render(element: Shout, compiler: Any, **options: Any) -> str:
    return "(SELECT count(*) FROM c)"


class Sent:
    """The last statement of a connection: its keys, and the context of its execution."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.keys: StatementKeys | None = None
        self.context: Any = None

    def note(self, cursor: Any, statement: str, parameters: Any, context: Any) -> None:
        self.keys, self.context = StatementKeys.of(statement, context), context

    def reads(self, statement: Any, *values: Any) -> dict[str, Any]:
        """The tables that a statement reads, with the pins of each. None: any row."""
        self.connection.execute(statement, *values)
        assert self.keys is not None
        found: dict[str, Any] = {table.name: None for table in self.keys.read}
        for table, choices in self.keys.pins.items():
            found[table.name] = pins_with_values([choice[0] for choice in choices], self.context)
        return found

    def writes(self, statement: Any, *values: Any) -> Any:
        """The keys of the rows that a statement writes. None: any."""
        self.connection.execute(statement, *values)
        assert self.keys is not None
        return self.keys.keys.keys(self.context) if self.keys.keys is not None else None


@pytest.fixture
def sent() -> Iterator[Sent]:
    engine = create_engine("sqlite://")
    note_rendered(engine)
    with engine.begin() as connection:
        metadata.create_all(connection)
        sent = Sent(connection)
        for name in ("do_execute", "do_executemany"):
            event.listen(engine, name, sent.note)
        yield sent


JOINED = c.c.p_id == p.c.id
inner = p.alias("inner")
READS: dict[str, tuple[Any, dict[str, Any]]] = {
    "equality": (select(p.c.v).where(p.c.id == 5), {"p": {("id", 5)}}),
    "value first": (select(p.c.v).where(p.c.id == 5), {"p": {("id", 5)}}),
    "list": (select(p.c.v).where(p.c.k.in_([1, 2])), {"p": {("k", 1), ("k", 2)}}),
    "empty list": (select(p.c.v).where(p.c.k.in_([])), {"p": set()}),
    "NULL equals nothing": (select(p.c.v).where(p.c.k == bindparam("n", None, type_=Integer)), {"p": set()}),
    "IS NULL": (select(p.c.v).where(p.c.k.is_(None)), {"p": None}),
    "text value": (select(p.c.v).where(p.c.name == "a"), {"p": {("name", "a")}}),
    "uuid": (select(c.c.id).where(c.c.u == UUID), {"c": {("u", UUID.hex)}}),
    "bool": (select(c.c.id).where(c.c.flag == bindparam("f", True, type_=Boolean)), {"c": {("flag", 1)}}),
    "no key column": (select(p.c.id).where(p.c.v == 5), {"p": None}),
    "the primary key is chosen": (select(p.c.v).where(p.c.k == 1, p.c.id == 5), {"p": {("id", 5)}}),
    "one value before a list": (select(p.c.v).where(p.c.id.in_([1]), p.c.k == 5), {"p": {("k", 5)}}),
    "and": (select(p.c.v).where(and_(p.c.k == 1, p.c.v > 2)), {"p": {("k", 1)}}),
    "or": (select(p.c.v).where(or_(p.c.k == 1, p.c.v > 2)), {"p": None}),
    "not": (select(p.c.v).where(not_(and_(p.c.k == 1, p.c.v > 2))), {"p": None}),
    "unequal": (select(p.c.v).where(p.c.k != 1), {"p": None}),
    "not in": (select(p.c.v).where(p.c.k.not_in([1])), {"p": None}),
    "range": (select(p.c.v).where(p.c.k > 1), {"p": None}),
    "value of another type": (select(p.c.v).where(p.c.k == bindparam("k", 5.0, type_=Numeric)), {"p": None}),
    "text for a number": (select(p.c.v).where(p.c.k == bindparam("k", "5", type_=Integer)), {"p": None}),
    "order and limit": (select(p.c.v).where(p.c.k == 1).order_by(p.c.v).limit(1).offset(1), {"p": {("k", 1)}}),
    "aggregate": (select(func.count(), func.max(p.c.v)).where(p.c.k == 1).group_by(p.c.v), {"p": {("k", 1)}}),
    "composite key": (select(pair.c.v).where(pair.c.a == 1, pair.c.b == 2), {"pair": {("a", 1)}}),
    "tuple": (select(pair.c.v).where(tuple_(pair.c.a, pair.c.b).in_([(1, 2)])), {"pair": None}),
    "join": (select(p.c.v).join(c, JOINED).where(p.c.id == 5), {"p": {("id", 5)}, "c": {("p_id", 5)}}),
    "list over a join": (
        select(p.c.v).join(c, JOINED).where(p.c.id.in_([1, 2])),
        {"p": {("id", 1), ("id", 2)}, "c": {("p_id", 1), ("p_id", 2)}},
    ),
    "inner ON": (select(p.c.v).join(c, and_(JOINED, p.c.k == 3)), {"p": {("k", 3)}, "c": None}),
    "optional side by ON": (select(p.c.v).outerjoin(c, and_(JOINED, c.c.k == 3)), {"p": None, "c": {("k", 3)}}),
    "preserved side by ON": (select(p.c.v).outerjoin(c, and_(JOINED, p.c.k == 3)), {"p": None, "c": None}),
    "optional side over ON": (
        select(p.c.v).outerjoin(c, and_(JOINED, p.c.id == 3)),
        {"p": None, "c": {("p_id", 3)}},
    ),
    "outer join by WHERE": (
        select(p.c.v).outerjoin(c, JOINED).where(p.c.id == 3),
        {"p": {("id", 3)}, "c": {("p_id", 3)}},
    ),
    "full join by ON": (select(p.c.v).join(c, and_(JOINED, p.c.id == 3), full=True), {"p": None, "c": None}),
    "full join by WHERE": (
        select(p.c.v).join(c, JOINED, full=True).where(p.c.id == 3),
        {"p": {("id", 3)}, "c": None},
    ),
    "below a full join": (
        select(p.c.v).select_from(p.join(pair, and_(pair.c.a == p.c.k, p.c.id == 3)).join(c, JOINED, full=True)),
        {"p": {("id", 3)}, "pair": None, "c": None},
    ),
    "below an optional side": (
        select(p.c.v).select_from(p.outerjoin(c.join(pair, and_(pair.c.a == c.c.k, c.c.k == 2)), JOINED)),
        {"p": None, "c": {("k", 2)}, "pair": {("a", 2)}},
    ),
    "exists": (
        select(p.c.v).where(p.c.id == 5, exists().where(JOINED, c.c.k > 1)),
        {"p": {("id", 5)}, "c": {("p_id", 5)}},
    ),
    "not exists": (select(p.c.v).where(~exists().where(JOINED, c.c.k == 1)), {"p": None, "c": {("k", 1)}}),
    "scalar subquery": (
        select(p.c.v, select(func.count()).where(JOINED).scalar_subquery()).where(p.c.id == 5),
        {"p": {("id", 5)}, "c": {("p_id", 5)}},
    ),
    "the same table within": (
        select(p.c.v).where(p.c.id == 5, p.c.k.in_(select(inner.c.k).where(inner.c.id == 6))),
        {"p": {("id", 5), ("id", 6)}},
    ),
    "the same table within, whole": (
        select(p.c.v).where(p.c.id == 5, p.c.k.in_(select(inner.c.k))),
        {"p": None},
    ),
    "the same name within is another place": (
        select(p.c.v).where(p.c.id == 5, p.c.k.in_(select(c.c.k).where(JOINED, p.c.v > 1).correlate(None))),
        {"p": None, "c": None},
    ),
    "subquery in FROM": (
        select(select(p.c.v).where(p.c.k == 3).limit(2).subquery("s").c.v),
        {"p": {("k", 3)}},
    ),
    "condition on a subquery": (select((s := select(p.c.k).subquery("s")).c.k).where(s.c.k == 3), {"p": None}),
    "cte": (select(select(p.c.v).where(p.c.k == 3).cte("s").c.v), {"p": {("k", 3)}}),
    "union": (
        union(select(p.c.v).where(p.c.k == 3), select(p.c.v).where(p.c.id == 1), select(c.c.k).where(c.c.k == 2)),
        {"p": {("k", 3), ("id", 1)}, "c": {("k", 2)}},
    ),
    "union with a whole part": (union(select(p.c.v).where(p.c.k == 3), select(p.c.v)), {"p": None}),
    "text condition": (select(p.c.v).where(p.c.k == 3, text("1 = 1 OR v > 1")), {"p": None}),
    "literal column": (select(literal_column("v")).select_from(p).where(p.c.k == 3), {"p": None}),
    "an operator in words": (select(p.c.v).where(p.c.k == 3, p.c.v.op("OR")(p.c.v)), {"p": None}),
    "an operator in signs": (select(p.c.v).where(p.c.k == 3, p.c.v.op("<<")(1)), {"p": {("k", 3)}}),
    "an element of the user's": (select(p.c.v, Shout()).where(p.c.k == 3), {"p": None}),
    "a function": (select(func.abs(p.c.v)).where(p.c.k == 3), {"p": {("k", 3)}}),
    "a changed column": (select(p.c.v).where(p.c.k + 1 == 3), {"p": None}),
    "another collation": (select(p.c.v).where(p.c.name.collate("NOCASE") == "a"), {"p": None}),
    "a lambda": (lambda_stmt(lambda: select(p.c.v).where(p.c.k == 3)), {"p": {("k", 3)}}),
}  # fmt: skip


@pytest.mark.parametrize("case", READS)
def test_a_select_reads_what_its_conditions_pin(sent: Sent, case: str) -> None:
    statement, expected = READS[case]
    for _ in range(2):  # the second is a compiled one
        assert sent.reads(statement) == expected


def test_each_execution_has_its_own_values(sent: Sent) -> None:
    for number in (1, 2, 3):
        assert sent.reads(select(p.c.v).where(p.c.id == number)) == {"p": {("id", number)}}
        assert sent.reads(select(p.c.v).where(p.c.id.in_(range(number)))) == {"p": {("id", n) for n in range(number)}}


upsert = sqlite.insert(p).values(id=1, k=2, name="a", v=3)
WRITES: dict[str, tuple[Any, Any]] = {
    "update by key": (update(p).where(p.c.id == 1).values(v=2), {"id": {1}}),
    "old and new": (update(p).where(p.c.k == 1).values(k=2), {"k": {1, 2}}),
    "old that is not known": (update(p).where(p.c.id == 1).values(k=2), {"id": {1}}),
    "expression": (update(p).where(p.c.k == 1, p.c.id == 2).values(k=p.c.k + 1), {"id": {2}}),
    "to NULL": (update(p).where(p.c.k == 1).values(k=None), {"k": {1}}),
    "to a text": (update(p).where(p.c.k == 1).values(k="x"), {}),
    "list": (update(p).where(p.c.id.in_([1, 2])).values(v=2), {"id": {1, 2}}),
    "all rows": (update(p).values(v=2), {}),
    "or": (update(p).where(or_(p.c.id == 1, p.c.v == 2)).values(v=2), {}),
    "text": (update(p).where(p.c.id == 1, text("1 = 1 OR 2")).values(v=2), None),
    "joined": (update(c).where(JOINED, p.c.id == 4).values(k=1), {"p_id": {4}}),
    "subquery": (update(c).where(c.c.p_id.in_(select(p.c.id).where(p.c.k == 1))).values(k=1), {}),
    "delete": (delete(c).where(c.c.p_id == 4, c.c.k > 1), {"p_id": {4}}),
    "insert": (
        insert(c).values(id=1, p_id=2, u=UUID, flag=True),
        {"id": {1}, "p_id": {2}, "u": {UUID.hex}, "flag": {1}},
    ),
    "insert an expression": (insert(c).values(id=1, p_id=literal(2) + 1), {"id": {1}}),
    "NULL is another value for a primary key": (insert(c).values(id=None, k=2), {"k": {2}}),
    "insert from a select": (insert(c).from_select(["p_id", "k"], select(p.c.id, p.c.k)), None),
    "several rows": (insert(c).values([{"p_id": 1}, {"p_id": 2}]), None),
    "or replace": (insert(p).prefix_with("OR REPLACE").values(id=1, k=2), None),
    "do nothing": (upsert.on_conflict_do_nothing(), {"id": {1}, "k": {2}, "name": {"a"}}),
    "do update": (upsert.on_conflict_do_update(index_elements=["id"], set_={"v": 4}), {"id": {1}}),
    "do update by a text": (upsert.on_conflict_do_update(index_elements=["name"], set_={"v": 4}), {}),
    "do update sets the key": (upsert.on_conflict_do_update(index_elements=["id"], set_={"id": 4}), {}),
}  # fmt: skip


@pytest.mark.parametrize("case", WRITES)
def test_a_change_writes_rows_of_known_keys(sent: Sent, case: str) -> None:
    statement, expected = WRITES[case]
    assert sent.writes(statement) == expected


def test_all_rows_of_an_executemany_count(sent: Sent) -> None:
    assert sent.writes(insert(c), [{"p_id": 1, "k": 5}, {"p_id": None, "k": 6}]) == {"p_id": {1}, "k": {5, 6}}
    rows = [{"which": 1, "k": 5}, {"which": 2, "k": 6}]
    assert sent.writes(update(c).where(c.c.p_id == bindparam("which")).values(k=bindparam("k")), rows) == {
        "p_id": {1, 2}
    }


def test_too_many_values_are_any_value(sent: Sent) -> None:
    assert sent.writes(insert(c), [{"id": number, "k": 1} for number in range(100)]) == {"k": {1}}


def test_a_statement_without_a_compiled_form_is_not_known(sent: Sent) -> None:
    sent.connection.exec_driver_sql("SELECT * FROM p WHERE id = 1")
    assert sent.keys is None


def test_a_statement_that_an_event_has_changed_is_not_known(sent: Sent) -> None:
    def change(connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> tuple[str, Any]:
        return statement + " OR 1 = 1", parameters

    event.listen(sent.connection.engine, "before_cursor_execute", change, retval=True)
    sent.connection.execute(select(p.c.v).where(p.c.id == 1))
    assert sent.keys is None


def test_key_columns_have_plain_types() -> None:
    table = Table(
        "t",
        MetaData(),
        Column("id", Integer, primary_key=True),
        Column("padded", CHAR(3), unique=True),
        Column("folded", String(collation="NOCASE"), unique=True),
        Column("kind", Enum("a", "b"), index=True),
        Column("price", Numeric, index=True),
        Column("twice", Integer, Computed("id * 2"), index=True),
        Column("first", String, index=False),
        Column("second", String),
        Index("both", "first", "second"),
    )
    assert [column.name for column in key_columns(table)] == ["id", "first"]


class SlowKeys(StatementKeys):
    """Keys that another thread has just made, and not put in their place yet."""

    are_made = threading.Event()
    may_return = threading.Event()

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.are_made.set()
        assert self.may_return.wait(PATIENCE_SECONDS)


def test_threads_that_send_a_statement_first_find_the_same() -> None:
    engine = create_engine("sqlite://")
    note_rendered(engine)
    contexts: list[Any] = []
    event.listen(engine, "do_execute", lambda cursor, statement, parameters, context: contexts.append(context))
    with engine.begin() as connection:
        metadata.create_all(connection)
        connection.execute(update(p).where(p.c.id == 5).values(v=1))
        context = contexts[-1]
        found: list[StatementKeys | None] = []
        first = threading.Thread(target=lambda: found.append(SlowKeys.of(context.statement, context)))
        first.start()
        assert SlowKeys.are_made.wait(PATIENCE_SECONDS)
        found.append(StatementKeys.of(context.statement, context))
        SlowKeys.may_return.set()
        first.join()
        found.append(StatementKeys.of(context.statement, context))
        assert [keys is not None and keys.is_change for keys in found] == [True] * 3
        assert [keys and keys.keys and keys.keys.keys(context) for keys in found] == [{"id": {5}}] * 3

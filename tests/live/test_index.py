"""The index finds exactly the queries whose reads a commit touches."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from convexpy.database.read_set import ReadSet
from convexpy.database.write_set import WriteSet
from convexpy.live.index import SubscriptionIndex

TABLES = st.sampled_from(["messages", "users", "orders"])
COLUMNS = st.sampled_from(["id", "channel", "author"])
VALUES = st.one_of(st.integers(0, 3), st.sampled_from(["a", "b"]))
PINS = st.none() | st.sets(st.tuples(COLUMNS, VALUES), max_size=3)
KEYS = st.none() | st.dictionaries(COLUMNS, st.sets(VALUES, max_size=3), max_size=3)


@st.composite
def read_sets(draw: st.DrawFn) -> ReadSet:
    reads = ReadSet()
    for table, pins in draw(st.dictionaries(TABLES, PINS, max_size=3)).items():
        reads.add(table, pins)
    if draw(st.integers(0, 9)) == 0:
        reads.add_everything()
    return reads


@st.composite
def write_sets(draw: st.DrawFn) -> WriteSet:
    writes = WriteSet()
    for table, keys in draw(st.dictionaries(TABLES, KEYS, max_size=3)).items():
        writes.add(table, keys)
    if draw(st.integers(0, 9)) == 0:
        writes.add_everything()
    return writes


@given(st.lists(read_sets(), max_size=8), st.lists(st.tuples(st.integers(0, 7), read_sets()), max_size=4), write_sets())
def test_it_finds_what_each_set_says_is_touched(
    first: list[ReadSet], later: list[tuple[int, ReadSet]], writes: WriteSet
) -> None:
    index: SubscriptionIndex[int] = SubscriptionIndex()
    queries = dict(enumerate(first))
    queries.update(later)
    for number, reads in (*enumerate(first), *later):
        index.replace(number, reads)
    assert index.find(writes) == {number for number, reads in queries.items() if reads.is_touched_by(writes)}


@given(st.lists(read_sets(), max_size=8), write_sets())
def test_nothing_is_left_of_what_was_removed(sets: list[ReadSet], writes: WriteSet) -> None:
    index: SubscriptionIndex[int] = SubscriptionIndex()
    for number, reads in enumerate(sets):
        index.replace(number, reads)
    for number in range(len(sets)):
        index.remove(number)
        index.remove(number)
    assert index.find(writes) == set()
    assert (index._reads, index._tables, index._everything) == ({}, {}, set())


def test_a_column_that_a_commit_does_not_name_may_have_any_value() -> None:
    index: SubscriptionIndex[str] = SubscriptionIndex()
    reads = ReadSet()
    reads.add("messages", {("channel", "a")})
    index.replace("query", reads)
    writes = WriteSet()
    writes.add("messages", {"id": {1}})
    assert index.find(writes) == {"query"}


def test_a_lookup_costs_as_much_as_there_are_written_keys() -> None:
    """Ten thousand other queries are not looked at: none of their sets is asked for."""
    index: SubscriptionIndex[int] = SubscriptionIndex()
    for number in range(10_000):
        reads = ReadSet()
        reads.add("messages", {("channel", number)})
        index.replace(number, reads)
    writes = WriteSet()
    writes.add("messages", {"channel": {7}, "id": {1}})
    visited: list[int] = []

    class Counted(dict[object, set[int]]):
        def get(self, key: object, default: object = None) -> object:  # type: ignore[override]
            visited.append(1)
            return super().get(key, default)  # type: ignore[arg-type]

    pinned = index._tables["messages"].pinned
    pinned["channel"] = Counted(pinned["channel"])  # type: ignore[assignment]
    assert index.find(writes) == {7}
    assert len(visited) == 1

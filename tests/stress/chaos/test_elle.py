"""The serializability checker is exact on small histories, finds every planted anomaly, and nothing in valid runs."""

from __future__ import annotations

from itertools import permutations
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .checkers import elle
from .checkers.history import History, Transaction
from .checkers.rehearsal import rehearse_history

Line = dict[str, Any]
quickly = settings(max_examples=30, deadline=None)


def history_of(lines: list[Line]) -> History:
    history = History()
    for line in lines:
        if "final" in line:
            history.final |= line["final"]
        else:
            history.transactions.append(Transaction.of(line))
    return history


def names(lines: list[Line]) -> set[str]:
    return set(elle.judge(history_of(lines)).names())


def transaction(name: str, *ops: list[Any], begin: float = 0, end: float | None = 100, type: str = "ok") -> Line:
    """One that ran at the same time as all others, unless its times are given."""
    return {"id": name, "proc": 0, "t0": begin, "t1": end, "type": type, "ops": list(ops)}


def a(key: str, value: int) -> list[Any]:
    return ["a", key, value]


def r(key: str, *values: int) -> list[Any]:
    return ["r", key, list(values)]


def final(**lists: list[int]) -> Line:
    return {"final": lists}


ANOMALIES: dict[str, tuple[str, list[Line]]] = {
    "the same effect twice": ("duplicate-effect", [transaction("t", a("x", 1)), final(x=[1, 1])]),
    "an acknowledged effect lost": ("lost-effect", [transaction("t", a("x", 1)), final(x=[])]),
    "the list itself lost": ("lost-effect", [transaction("t", a("x", 1))]),
    "an aborted effect that stayed": ("G1a", [transaction("t", a("x", 1), type="fail"), final(x=[1])]),
    "an aborted effect that was seen": (
        "G1a",
        [transaction("t", a("x", 1), type="fail"), transaction("u", r("x", 1)), final(x=[])],
    ),
    "the middle of a transaction": (
        "G1b",
        [transaction("t", a("x", 1), a("x", 2)), transaction("u", r("x", 1)), final(x=[1, 2])],
    ),
    "the middle of a transaction at the end": ("G1b", [transaction("t", a("x", 1), a("x", 2)), final(x=[1])]),
    "a value from nowhere": ("garbage-read", [transaction("t", r("x", 9)), final(x=[9])]),
    "two readers that disagree about the order": (
        "incompatible-order",
        [
            *(transaction("t", a("x", 1)), transaction("u", a("x", 2))),
            *(transaction("v", r("x", 1)), transaction("w", r("x", 2, 1)), final(x=[2, 1])),
        ],
    ),
    "two appends of one transaction swapped": (
        "incompatible-order",
        [transaction("t", a("x", 1), a("x", 2)), transaction("u", a("x", 3)), final(x=[2, 1, 3])],
    ),
    "half of a transaction": ("torn-transaction", [transaction("t", a("x", 1), a("y", 2)), final(x=[1], y=[])]),
    "half of one with an unknown outcome": (
        "torn-transaction",
        [transaction("t", a("x", 1), a("y", 2), type="info", end=None), final(x=[1])],
    ),
    "not reading one's own append": ("internal", [transaction("t", a("x", 1), r("x")), final(x=[1])]),
    "two different reads in one transaction": (
        "internal",
        [transaction("t", r("x"), r("x", 1)), transaction("u", a("x", 1)), final(x=[1])],
    ),
    "reading one's own future": ("internal", [transaction("t", r("x", 1), a("x", 1)), final(x=[1])]),
    "writes in two config": (
        "G0",
        [transaction("t", a("x", 1), a("y", 1)), transaction("u", a("x", 2), a("y", 2)), final(x=[1, 2], y=[2, 1])],
    ),
    "each saw the other": (
        "G1c",
        [transaction("t", a("x", 1), r("y", 1)), transaction("u", a("y", 1), r("x", 1)), final(x=[1], y=[1])],
    ),
    "read skew": (
        "G-single",
        [transaction("t", a("x", 1), a("y", 1)), transaction("u", r("x"), r("y", 1)), final(x=[1], y=[1])],
    ),
    "a lost update": (
        "G-single",
        [transaction("t", r("x"), a("x", 1)), transaction("u", r("x"), a("x", 2)), final(x=[1, 2])],
    ),
    "write skew": (
        "G2-item",
        [transaction("t", r("x"), a("y", 1)), transaction("u", r("y"), a("x", 1)), final(x=[1], y=[1])],
    ),
    "a stale read after the acknowledgement": (
        "G-single-realtime",
        [transaction("t", a("x", 1), end=1), transaction("u", r("x"), begin=2, end=3), final(x=[1])],
    ),
    "a later append before an earlier one": (
        "G0-realtime",
        [transaction("t", a("x", 1), end=1), transaction("u", a("x", 2), begin=2, end=3), final(x=[2, 1])],
    ),
    "a read of what comes only later": (
        "G1c-realtime",
        [transaction("t", r("x", 1), end=1), transaction("u", a("x", 1), begin=2, end=3), final(x=[1])],
    ),
    "a stale read of two lists": (
        "G2-item-realtime",
        [
            *(transaction("t", r("x"), a("y", 1)), transaction("u", a("x", 1), end=1)),
            *(transaction("v", r("y"), begin=2, end=3), final(x=[1], y=[1])),
        ],
    ),
    "a value that two transactions appended": (
        "bad-history",
        [transaction("t", a("x", 1)), transaction("u", a("x", 1)), final(x=[1])],
    ),
}


@pytest.mark.parametrize(("name", "lines"), ANOMALIES.values(), ids=ANOMALIES.keys())
def test_an_anomaly_is_found_under_its_name(name: str, lines: list[Line]) -> None:
    assert name in names(lines)


def test_an_unknown_outcome_may_be_either() -> None:
    unknown = transaction("t", a("x", 1), a("y", 1), type="info", end=None)
    assert not names([unknown, final(x=[1], y=[1])])
    assert not names([unknown, final()])


def test_an_unknown_outcome_may_come_late_but_not_before_it_was_asked_for() -> None:
    early = transaction("t", r("x", 1), begin=0, end=1)
    assert not names([early, transaction("u", a("x", 1), begin=0.5, end=None, type="info"), final(x=[1])])
    assert names([early, transaction("u", a("x", 1), begin=2, end=None, type="info"), final(x=[1])]) == {"G1c-realtime"}


def test_a_cycle_is_told_with_its_reasons() -> None:
    _, lines = ANOMALIES["write skew"]
    violation = elle.judge(history_of(lines)).violations[0]
    assert violation.text == "no order allows t —rw→ u —rw→ t"
    assert violation.about == ("t", "u")


@quickly
@given(st.integers(0, 2**32), st.integers(1, 60), st.integers(1, 4))
def test_nothing_is_found_in_what_ran_one_after_another(seed: int, transactions: int, keys: int) -> None:
    assert not names(rehearse_history(seed, transactions, keys))


@quickly
@given(st.integers(0, 2**32), st.integers(2, 60), st.data())
def test_an_effect_that_is_taken_out_of_its_list_is_missed(seed: int, transactions: int, data: st.DataObject) -> None:
    lines = rehearse_history(seed, transactions)
    acknowledged = [op[2] for line in lines if line.get("type") == "ok" for op in line["ops"] if op[0] == "a"]
    gone = data.draw(st.sampled_from(acknowledged or [None]))
    for line in lines:
        for key, values in line.get("final", {}).items():
            line["final"][key] = [value for value in values if value != gone]
    assert not acknowledged or {"lost-effect", "torn-transaction"} & names(lines)


# Small histories, good and bad, judged by trying every order there is.


def small_history(rng: Random) -> list[Line]:
    """Two to four transactions, one after another; then up to three things about them are changed."""
    lists: dict[str, list[int]] = {"x": [], "y": []}
    lines: list[Line] = []
    for number in range(rng.randint(2, 4)):
        ops: list[list[Any]] = []
        for index in range(rng.randint(1, 4)):
            key = rng.choice("xy")
            if rng.random() < 0.5:
                lists[key].append(number * 10 + index)
                ops.append(a(key, number * 10 + index))
            else:
                ops.append(r(key, *lists[key]))
        lines.append(transaction(f"t{number}", *ops, begin=number - rng.randint(0, 2), end=number + rng.randint(0, 2)))
    for _ in range(rng.randint(0, 3)):
        change(rng, lines, lists)
    return [*lines, final(**lists)]


def change(rng: Random, lines: list[Line], lists: dict[str, list[int]]) -> None:
    """A read shows more or less, a list has another order with which all reads agree, or a transaction came earlier."""
    line, key = rng.choice(lines), rng.choice("xy")
    reads = [op for op in line["ops"] if op[0] == "r"]
    what = rng.choice(["a read", "a list", "a time"])
    if what == "a read" and reads:
        read = rng.choice(reads)
        read[2] = lists[read[1]][: rng.randint(0, len(lists[read[1]]))]
    elif what == "a list":
        rng.shuffle(lists[key])
        for op in (op for each in lines for op in each["ops"] if op[:2] == ["r", key]):
            op[2] = lists[key][: len(op[2])]
    elif what == "a time":
        line["t0"], line["t1"] = line["t0"] - 2, line["t1"] - 2


def has_an_order(lines: list[Line]) -> bool:
    """Whether the transactions, one after another in some order that respects the time of day, give just this."""
    *transactions, last = lines
    return any(
        gives_this(order, last["final"])
        for order in permutations(transactions)
        if all(before["t0"] <= after["t1"] for index, before in enumerate(order) for after in order[index + 1 :])
    )


def gives_this(order: tuple[Line, ...], lists: dict[str, list[int]]) -> bool:
    state: dict[str, list[int]] = {key: [] for key in lists}
    for each in order:
        for what, key, value in each["ops"]:
            if what == "a":
                state[key].append(value)
            elif state[key] != value:
                return False
    return state == lists


def test_the_verdict_is_the_one_of_trying_every_order() -> None:
    for seed in range(2000):
        lines = small_history(Random(seed))
        assert bool(names(lines)) == (not has_an_order(lines)), (seed, names(lines))


def test_small_histories_are_of_both_kinds() -> None:
    good = sum(has_an_order(small_history(Random(seed))) for seed in range(200))
    assert 40 < good < 160

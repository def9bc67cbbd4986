"""The benchmark itself: its arithmetic, its checks, and one small run on each database."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from threading import Barrier, Thread
from typing import Any
from xml.etree import ElementTree

import pytest
from servers.shared import postgres_url

from . import contestants, measures, rounds
from .environments import Environment
from .figures import Measure, Row, Target, judge, ratio
from .marks import FOLDER, Marks, Observed
from .picture import picture
from .place import Place
from .result import as_data
from .stage import Stage
from .table import amount, table
from .workloads import WORKLOADS, Workload

RATE = Measure("jobs/s", higher_is_better=True)
WAIT = Measure("p50")


class Lent:
    """The server of the other tests."""

    def url(self, database: str) -> str:
        url = postgres_url().set(drivername="postgresql", database=database)
        return str(url.render_as_string(hide_password=False))


@pytest.fixture
def stage() -> Iterator[Stage]:
    made = Stage(Lent())
    yield made
    made.close()


def row(name: str, *values: float, figure: str = "jobs/s") -> Row:
    return Row(name, "a promise", {figure: list(values)})


def workload(name: str, *who: str) -> Workload:
    """One of the workloads, with only these contestants."""
    found = next(workload for workload in WORKLOADS if workload.name == name)
    return replace(found, contestants=tuple(one for one in found.contestants if one.name in who))


def run_once(chosen: Workload, stage: Stage, scale: float = 0.005) -> dict[str, Row]:
    return {row.contestant: row for row in rounds.run([chosen], stage, 1, scale, print)[chosen.name]}


# The arithmetic.


@pytest.mark.parametrize(
    ("at_least", "is_met"),
    [pytest.param(1.5, True, id="reached-exactly"), pytest.param(1.6, False, id="not-reached")],
)
def test_a_target_is_held_against_the_median_of_the_best(at_least: float, is_met: bool) -> None:
    rows = [row("convexpy", 100, 150, 900), row("slow", 1, 2, 3), row("fast", 90, 100, 110)]
    verdict = judge(Target("jobs/s", "convexpy", ("slow", "fast"), at_least=at_least), rows, RATE)
    assert (verdict.reached, verdict.against, verdict.is_met) == (1.5, "fast", is_met)


def test_where_less_is_better_the_best_is_the_least() -> None:
    rows = [row("convexpy", 2, figure="p50"), row("slow", 8, figure="p50"), row("fast", 4, figure="p50")]
    verdict = judge(Target("p50", "convexpy", ("slow", "fast"), at_most=1.0), rows, WAIT)
    assert (verdict.reached, verdict.against, verdict.is_met) == (0.5, "fast", True)


def test_a_target_without_others_is_held_against_the_figure_itself() -> None:
    assert judge(Target("p50", "convexpy", at_most=1.0), [row("convexpy", 1.5, figure="p50")], WAIT).is_met is False


def test_what_was_not_measured_meets_nothing() -> None:
    lost = Row("lost", "a promise", {"jobs/s": [1e9]}, errors=["wrong counts"])
    assert judge(Target("jobs/s", "convexpy", ("lost",), at_least=1), [row("convexpy", 1), lost], RATE).is_met is None
    assert judge(Target("jobs/s", "lost", ("convexpy",), at_least=1), [row("convexpy", 1), lost], RATE).is_met is None


def test_a_ratio_is_ours_by_theirs() -> None:
    assert ratio(row("theirs", 50), row("convexpy", 100, 200, 300), "jobs/s") == 4


@pytest.mark.parametrize(("value", "words"), [(12345.6, "12,346"), (99.94, "99.9"), (0.1234, "0.12")])
def test_a_number_has_as_many_digits_as_mean_something(value: float, words: str) -> None:
    assert amount(value) == words


# The table and the picture.


def rows_of_drain() -> list[Row]:
    lost = Row("bare Session, 1 thread", "nothing", errors=["wrong counts: 9 expected"])
    gone = Row("DBOS", "exactly once", skipped="it needs <another> Python")
    return [row("convexpy", 100, 200, 300), row("PgQueuer", 50, 100, 150), lost, gone]


def test_the_table_shows_medians_spreads_ratios_and_verdicts() -> None:
    text = "\n".join(table(workload("drain"), rows_of_drain()))
    assert "200 jobs/s" in text
    assert "(100 to 300)" in text
    assert "ours/theirs 2.00" in text
    assert "a promise" in text
    assert "error: wrong counts: 9 expected" in text
    assert "skipped: it needs <another> Python" in text
    assert "2.00 (best: PgQueuer) met [without Oban" in text
    assert "target >= 15x DBOS not measured" in text


def test_the_picture_is_well_formed_and_shows_everybody() -> None:
    drawn = picture({"workloads": [as_data(workload("drain"), rows_of_drain())]})
    words = [element.text for element in ElementTree.fromstring(drawn).iter("{http://www.w3.org/2000/svg}text")]
    assert {"convexpy", "PgQueuer", "DBOS", "200 jobs/s", "skipped: it needs <another> Python"} <= set(words)


# Who fails, and who is missing.


class Silent:
    """A clerk whose queue keeps nothing."""

    def ask(self, command: str, *arguments: Any) -> None:
        return None


@pytest.mark.parametrize(
    ("statement", "is_wrong"),
    [
        pytest.param("SELECT 1", False, id="right"),
        pytest.param("DELETE FROM entry WHERE job = 1", True, id="a-lost-row"),
        pytest.param("INSERT INTO entry (job, note) VALUES (1, 'x')", True, id="a-row-twice"),
        pytest.param("UPDATE counter SET n = n + 1 WHERE id = 7", True, id="an-update-twice"),
    ],
)
def test_wrong_counts_become_a_row_that_says_so(stage: Stage, statement: str, is_wrong: bool) -> None:
    def run(stage: Stage, who: contestants.Peer, scale: float) -> measures.Figures:
        with stage.place("sqlite") as place:
            file = sqlite3.connect(place.name, isolation_level=None)
            for i in range(2):
                file.execute("UPDATE counter SET n = n + 1 WHERE id = ?", (i,))
                file.execute("INSERT INTO entry (job, note) VALUES (?, 'x')", (i,))
            file.execute(statement)
            file.close()
            measures.check(stage, place, Silent(), NoJobs(), 2, 0)  # type: ignore[arg-type]
        return {"jobs/s": 1.0}

    found = run_once(replace(workload("drain", "convexpy"), run=run), stage)["convexpy"]
    assert (found.median("jobs/s") is None) == is_wrong
    assert ("wrong counts: 2 effects expected" in (found.problem() or "")) == is_wrong


class NoJobs:
    def jobs(self) -> int:
        return 0


def test_a_peer_that_cannot_be_built_is_skipped_and_says_why(stage: Stage) -> None:
    chosen = workload("drain", "PgQueuer")
    nowhere = Environment("nowhere", ("nothing",), oldest_python=(9, 9))
    lonely = replace(chosen, contestants=(chosen.contestants[0].with_(environment=nowhere),))
    found = run_once(lonely, stage)["PgQueuer"]
    assert found.problem() == "skipped: it needs Python 9.9 or newer, and there is none here"


def test_a_process_that_dies_is_an_error(stage: Stage) -> None:
    chosen = workload("drain", "bare Session, 1 thread")
    broken = replace(chosen, contestants=(chosen.contestants[0].with_(module="nobody"),))
    (found,) = run_once(broken, stage).values()
    assert "No module named tests.bench.peers.nobody" in (found.problem() or "")


# Marks.


def test_threads_that_begin_at_once_all_count(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDER, str(tmp_path))
    marks, observed, together = Marks(), Observed(tmp_path), Barrier(8)

    def job() -> None:
        together.wait()
        marks.job()

    threads = [Thread(target=job) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    marks.start(3)
    assert observed.jobs() == 8
    assert observed.started(2) is None
    assert (observed.started(3) or 0) >= observed.first()


def test_a_place_is_told_as_json() -> None:
    place = Place("sqlite", "/a/file", "/marks", "NORMAL", 7, {"threads": 4})
    assert Place.from_json(place.to_json()) == place


# For real, only smaller.


def test_convexpy_drains_sqlite(stage: Stage) -> None:
    found = run_once(workload("sqlite-normal", "convexpy"), stage)["convexpy"]
    assert found.problem() is None
    assert (found.median("jobs/s") or 0) > 0


def test_convexpy_drains_postgres(stage: Stage) -> None:
    found = run_once(workload("drain", "convexpy"), stage)["convexpy"]
    assert found.problem() is None
    assert (found.median("jobs/s") or 0) > 0

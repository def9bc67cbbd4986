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

from . import measures, rounds, systems
from .backends import Backends
from .chart import chart
from .config import Config
from .environments import Environment
from .figures import Metric, Row, Target, judge, ratio
from .result import as_data
from .starts import FOLDER, StartReader, StartRecorder
from .table import amount, table
from .workload import Workload
from .workloads import WORKLOADS

RATE = Metric("jobs/s", higher_is_better=True)
WAIT = Metric("p50")


class SharedServer:
    """The PostgreSQL server that the other tests use."""

    def url(self, database: str) -> str:
        url = postgres_url().set(drivername="postgresql", database=database)
        return str(url.render_as_string(hide_password=False))


@pytest.fixture
def backends() -> Iterator[Backends]:
    made = Backends(SharedServer())
    yield made
    made.close()


def row(name: str, *values: float, figure: str = "jobs/s") -> Row:
    return Row(name, "a promise", {figure: list(values)})


def workload(name: str, *system: str) -> Workload:
    """One of the workloads, with only these systems."""
    found = next(workload for workload in WORKLOADS if workload.name == name)
    return replace(found, systems=tuple(one for one in found.systems if one.name in system))


def run_once(chosen: Workload, backends: Backends, scale: float = 0.005) -> dict[str, Row]:
    return {row.system: row for row in rounds.run([chosen], backends, 1, scale, print)[chosen.name]}


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


# The table and the chart.


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


def test_the_picture_is_well_formed_and_shows_every_system() -> None:
    drawn = chart({"workloads": [as_data(workload("drain"), rows_of_drain())]})
    words = [element.text for element in ElementTree.fromstring(drawn).iter("{http://www.w3.org/2000/svg}text")]
    assert {"convexpy", "PgQueuer", "DBOS", "200 jobs/s", "skipped: it needs <another> Python"} <= set(words)


# Systems that fail, and systems that are unavailable.


class NoCounts:
    """A client of a queue that does not count successes."""

    def request(self, command: str, *arguments: Any) -> None:
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
def test_wrong_counts_become_a_row_that_says_so(backends: Backends, statement: str, is_wrong: bool) -> None:
    def run(backends: Backends, system: systems.System, scale: float) -> measures.Figures:
        with backends.fresh("sqlite") as config:
            file = sqlite3.connect(config.name, isolation_level=None)
            for i in range(2):
                file.execute("UPDATE counter SET n = n + 1 WHERE id = ?", (i,))
                file.execute("INSERT INTO entry (job, note) VALUES (?, 'x')", (i,))
            file.execute(statement)
            file.close()
            measures.check(backends, config, NoCounts(), NoJobs(), 2, 0)  # type: ignore[arg-type]
        return {"jobs/s": 1.0}

    found = run_once(replace(workload("drain", "convexpy"), run=run), backends)["convexpy"]
    assert (found.median("jobs/s") is None) == is_wrong
    assert ("wrong counts: 2 effects expected" in (found.problem() or "")) == is_wrong


class NoJobs:
    def jobs(self) -> int:
        return 0


def test_a_peer_that_cannot_be_built_is_skipped_and_says_why(backends: Backends) -> None:
    chosen = workload("drain", "PgQueuer")
    nowhere = Environment("nowhere", ("nothing",), oldest_python=(9, 9))
    lonely = replace(chosen, systems=(chosen.systems[0].with_(environment=nowhere),))
    found = run_once(lonely, backends)["PgQueuer"]
    assert found.problem() == "skipped: it needs Python 9.9 or newer, which is not installed"


def test_a_process_that_dies_is_an_error(backends: Backends) -> None:
    chosen = workload("drain", "bare Session, 1 thread")
    broken = replace(chosen, systems=(chosen.systems[0].with_(module="absent"),))
    (found,) = run_once(broken, backends).values()
    assert "No module named tests.bench.adapters.absent" in (found.problem() or "")


# Recorded starts.


def test_threads_that_begin_at_once_all_count(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDER, str(tmp_path))
    starts, reader, together = StartRecorder(), StartReader(tmp_path), Barrier(8)

    def job() -> None:
        together.wait()
        starts.job()

    threads = [Thread(target=job) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    starts.sample(3)
    assert reader.jobs() == 8
    assert reader.sample(2) is None
    assert (reader.sample(3) or 0) >= reader.first()


def test_a_config_passes_through_json() -> None:
    config = Config("sqlite", "/a/file", "/starts", "NORMAL", 7, {"threads": 4})
    assert Config.from_json(config.to_json()) == config


# Real runs, small.


def test_convexpy_drains_sqlite(backends: Backends) -> None:
    found = run_once(workload("sqlite-normal", "convexpy"), backends)["convexpy"]
    assert found.problem() is None
    assert (found.median("jobs/s") or 0) > 0


def test_convexpy_drains_postgres(backends: Backends) -> None:
    found = run_once(workload("drain", "convexpy"), backends)["convexpy"]
    assert found.problem() is None
    assert (found.median("jobs/s") or 0) > 0


def test_convexpy_serves_requests(backends: Backends) -> None:
    found = run_once(workload("serve-mutation-sqlite", "convexpy"), backends)["convexpy"]
    assert found.problem() is None
    assert (found.median("requests/s") or 0) > 0

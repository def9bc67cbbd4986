"""A database as version 0.1.0 left it is upgraded: its jobs run once, its crons go on, its results are still there."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine
from support.databases import mark_as_test_database

from convexpy import ActionCtx, Convex, Crons, JobId, MutationCtx, internal_action, internal_mutation
from convexpy.database.tables import ALEMBIC_VERSION_TABLE
from convexpy.migrations.framework import alembic_config, current_revision
from convexpy.migrations.metadata import read_made_tables
from convexpy.migrations.schema_change import schema_change
from convexpy.testing import ConvexTest

from .databases import rows, run

VERSION_0_1_0 = "convexpy_0003"
START = datetime(2030, 1, 7, 12, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
WORKER = "w" * 32

ran: list[str] = []


@internal_mutation
def write(ctx: MutationCtx, label: str) -> None:
    ran.append(label)


@internal_action
async def send(ctx: ActionCtx, label: str) -> None:
    ran.append(label)


crons = Crons()
crons.interval("hourly", HOUR, write, label="cron")


class OldDatabase:
    """The rows of version 0.1.0, by plain SQL."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.is_sqlite = engine.dialect.name == "sqlite"

    def insert(self, table: str, **values: Any) -> None:
        run(
            self.engine,
            f"INSERT INTO {table} ({', '.join(values)}) VALUES ({', '.join(map(self.sql, values.values()))})",
        )

    def sql(self, value: Any) -> str:
        if isinstance(value, datetime):
            return str(int(value.timestamp() * 1_000_000)) if self.is_sqlite else f"'{value.isoformat()}'"
        return "NULL" if value is None else repr(value)

    def add_job(self, label: str, function: str, state: str, time: datetime, **more: Any) -> None:
        kind = "action" if function == "send" else "mutation"
        values = {"name": f"test_upgrade:{function}", "kind": kind, "args": f'{{"label": "{label}"}}'}
        values |= {"scheduled_time": time, "state_kind": state, "attempts": 0, **more}
        self.insert("_scheduled_functions", id=job_id(label), **values)

    def add_pending(self, label: str, function: str, due: datetime, **claim: str) -> None:
        self.add_job(label, function, "inProgress" if "run_token" in claim else "pending", due)
        kind = "action" if function == "send" else "mutation"
        self.insert("_convexpy_queue", job_id=job_id(label), kind=kind, due_time=due, position=len(label), **claim)

    def add_finished(self, label: str, state: str, error: str | None = None) -> None:
        self.add_job(label, "write", state, START - HOUR, completed_time=START - HOUR, state_error=error)
        self.insert("_convexpy_finished", state_kind=state, completed_time=START - HOUR, job_id=job_id(label))


def job_id(label: str) -> JobId:
    return JobId(label.encode().hex().ljust(32, "0"))


@pytest.fixture
def old(engine: Engine) -> OldDatabase:
    """What version 0.1.0 left: pending jobs, some claimed by a worker that died, finished ones, a cron."""
    from alembic import command

    with schema_change(engine) as connection:
        command.upgrade(alembic_config(connection=connection, version_table=ALEMBIC_VERSION_TABLE), VERSION_0_1_0)
    old = OldDatabase(engine)
    old.add_pending("mutation", "write", START - MINUTE)
    old.add_pending("an action", "send", START - MINUTE)
    old.add_pending("later", "write", START + HOUR)
    old.add_pending("claimed", "write", START - MINUTE, worker=WORKER, claim_token="c" * 32)
    old.add_pending("started", "send", START - HOUR, worker=WORKER, claim_token="d" * 32, run_token="r" * 32)
    old.add_finished("good", "success")
    old.add_finished("bad", "failed", error="it failed")
    times = {"started_time": START - 2 * HOUR, "heartbeat_time": START - HOUR}
    old.insert("_convexpy_workers", id=WORKER, place="another host", pid=1, **times)
    slots = {"last_time": START - HOUR / 2, "next_time": START + HOUR / 2, "last_job": job_id("good")}
    declared = {"schedule": "interval 3600s", "function": "test_upgrade:write", "args": '{"label":"cron"}'}
    old.insert("_convexpy_crons", name="hourly", **declared, **slots)
    old.insert("_convexpy_notes", key="made_tables", value='["orders"]')
    old.insert("_convexpy_receipts", id="0" * 32)
    return old


@pytest.fixture
def url(old: OldDatabase) -> str:
    """The same database, upgraded."""
    ran.clear()
    url = old.engine.url.render_as_string(hide_password=False)
    with Convex(url, functions=sys.modules[__name__]) as convex:
        convex.migrate()
    mark_as_test_database(url)
    return url


def test_pending_jobs_of_version_0_1_0_run_once(url: str) -> None:
    with ConvexTest(sys.modules[__name__], database_url=url, now=START) as convex:
        convex.run_due()
        assert sorted(ran) == ["an action", "mutation"]
        convex.advance(minutes=1)  # at the end the worker is found dead, and what it had claimed is tried again
        convex.advance(minutes=1)
        assert sorted(ran) == ["an action", "claimed", "mutation"]
        assert {job.state.kind for job in map(convex.job, map(job_id, ran)) if job} == {"success"}
        convex.advance(hours=1)
        assert [ran.count(label) for label in ("an action", "claimed", "mutation", "later")] == [1, 1, 1, 1]
        assert convex.jobs(state="pending") == []


def test_an_action_that_version_0_1_0_had_started_fails(url: str) -> None:
    with ConvexTest(sys.modules[__name__], database_url=url, now=START) as convex:
        convex.advance(minutes=1)
        job = convex.job(job_id("started"))
        assert job is not None
        assert job.state.kind == "failed"
        assert "started" not in ran


def test_a_cron_of_version_0_1_0_keeps_its_next_time(url: str, old: OldDatabase) -> None:
    [slot] = rows(old.engine, "SELECT next_time FROM _convexpy_crons")
    with ConvexTest(sys.modules[__name__], database_url=url, now=START) as convex:
        convex.run_due()
        assert rows(old.engine, "SELECT next_time FROM _convexpy_crons") == [slot]
        convex.advance(minutes=29)
        assert "cron" not in ran
        convex.advance(minutes=1)
        assert ran.count("cron") == 1
        convex.advance(hours=1)
        assert ran.count("cron") == 2
        slots = sorted(job.scheduled_time for job in convex.jobs() if job.cron == "hourly")
        assert slots == [START + HOUR / 2, START + 3 * HOUR / 2]


def test_results_of_version_0_1_0_are_still_listed(url: str) -> None:
    with ConvexTest(sys.modules[__name__], database_url=url, now=START) as convex:
        assert [job.id for job in convex.jobs(state="success")] == [job_id("good")]
        good, bad = convex.job(job_id("good")), convex.job(job_id("bad"))
        assert good is not None
        assert bad is not None
        assert good.completed_time == START - HOUR
        assert (bad.state.kind, bad.state.error) == ("failed", "it failed")


def test_an_upgrade_keeps_what_version_0_1_0_recorded(url: str, old: OldDatabase) -> None:
    kept = "SELECT id, session, request, function, writes FROM _convexpy_commits WHERE id IS NOT NULL"
    assert rows(old.engine, kept) == [
        {"id": "0" * 32, "session": None, "request": None, "function": None, "writes": None}
    ]
    assert rows(old.engine, "SELECT host, pid FROM _convexpy_workers") == [{"host": "another host", "pid": 1}]
    with old.engine.connect() as connection:
        assert read_made_tables(connection) == {"orders"}


def test_a_broken_view_does_not_stop_an_upgrade(old: OldDatabase) -> None:
    run(old.engine, "CREATE TABLE gone (id INTEGER)", "CREATE VIEW broken AS SELECT id FROM gone")
    if old.is_sqlite:  # the other database does not let it break
        run(old.engine, "DROP TABLE gone")
    with Convex(old.engine.url.render_as_string(hide_password=False), functions=sys.modules[__name__]) as convex:
        convex.migrate()
    assert current_revision(old.engine) != VERSION_0_1_0
    assert len(rows(old.engine, "SELECT id FROM _convexpy_workers")) == 1

"""What the code and the database expect of each other: revisions, functions and arguments of pending jobs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, MetaData, NullPool, create_engine, make_url
from support.apps import app_of
from support.databases import new_database

from convexpy import Convex, MutationCtx, QueryCtx, mutation, query
from convexpy.doctor.checks import check_code, run_checks
from convexpy.doctor.finding import Finding
from convexpy.functions.load import load_app
from convexpy.migrations.revisions import make_revision, upgrade
from convexpy.settings import Settings


@mutation
def charge(ctx: MutationCtx, order_id: str) -> None: ...


@mutation
def plan(ctx: MutationCtx, function: str, args: dict[str, Any], times: int = 1) -> list[str]:
    return [str(ctx.schedule.after(timedelta(days=1), function, **args)) for _ in range(times)]


OLD = app_of(plan, charge)


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[URL]:
    for made in new_database(request.param, tmp_path):
        yield make_url(made)


def schedule(url: URL, app: Any, times: int = 1, **args: object) -> list[str]:
    with Convex(url.render_as_string(hide_password=False), functions=app) as convex:
        return convex.run(plan, function="made:charge", args=args, times=times)


def found(url: URL, app: Any, folder: Path) -> list[Finding]:
    found = check_code(url, Settings(), load_app(app).registry, folder)
    everything = run_checks(url, Settings(), None, 0.1, registry=load_app(app).registry, migrations=folder)
    assert [each for each in everything if each.about in ("revisions", "pending jobs")] == found
    return found


def test_what_fits_is_ok(url: URL, tmp_path: Path) -> None:
    schedule(url, OLD, order_id="o1")

    assert [(each.mark, each.about) for each in found(url, OLD, tmp_path)] == [
        ("ok", "revisions"),
        ("ok", "pending jobs"),
    ]


def test_pending_jobs_whose_function_is_gone_are_a_risk(url: URL, tmp_path: Path) -> None:
    schedule(url, OLD, times=2, order_id="o1")

    (_, risk) = found(url, app_of(plan), tmp_path)

    assert risk.mark == "risk"
    assert risk.seen.startswith("2 pending jobs of made:charge: there is no function 'made:charge'")
    assert "aliases=['made:charge']" in risk.todo


def test_pending_jobs_of_what_is_a_query_by_now_are_a_risk(url: URL, tmp_path: Path) -> None:
    @query
    def charge(ctx: QueryCtx, order_id: str) -> None: ...

    schedule(url, OLD, order_id="o1")

    (_, risk) = found(url, app_of(plan, charge), tmp_path)

    assert (risk.mark, risk.seen) == ("risk", "1 pending job of made:charge: it is a query by now")


def test_pending_arguments_that_no_longer_fit_are_a_risk(url: URL, tmp_path: Path) -> None:
    @mutation
    def charge(ctx: MutationCtx, order_id: str, cents: int) -> None: ...

    schedule(url, OLD, times=3, order_id="o1")
    schedule(url, app_of(plan, charge), order_id="o1", cents=5)

    (_, risk) = found(url, app_of(plan, charge), tmp_path)

    assert risk.mark == "risk"
    assert risk.seen.startswith("3 of 4 pending jobs of made:charge have arguments that no longer fit, ")
    assert risk.seen.endswith("cents: Field required")


def test_what_is_finished_or_canceled_needs_no_function(url: URL, tmp_path: Path) -> None:
    [job_id] = schedule(url, OLD, order_id="o1")
    with Convex(url.render_as_string(hide_password=False), functions=OLD) as convex:
        convex.call("_system/jobs:cancel", {"job_id": job_id})

    assert [each.mark for each in found(url, app_of(plan), tmp_path)] == ["ok", "ok"]


def test_unapplied_revisions_are_a_risk_and_unknown_ones_a_note(url: URL, tmp_path: Path) -> None:
    folder = tmp_path / "revisions"
    engine = create_engine(url, poolclass=NullPool)
    files = [make_revision(engine, MetaData(), folder, name, autogenerate=False) for name in ("first", "second")]
    first, second = (str(file).split("_")[-2] for file in files)
    schedule(url, OLD, order_id="o1")

    (risk, _) = found(url, OLD, folder)
    assert (risk.mark, risk.seen) == ("risk", f"not applied: {first}, {second}")
    assert "`convexpy db upgrade`" in risk.todo

    upgrade(engine, MetaData(), folder, first)
    assert found(url, OLD, folder)[0].seen == f"not applied: {second}"

    upgrade(engine, MetaData(), folder)
    assert found(url, OLD, folder)[0].mark == "ok"

    assert files[1] is not None
    files[1].unlink()
    (note, _) = found(url, OLD, folder)
    assert (note.mark, note.seen) == ("note", f"the database is at {second}, which is not in {folder}")


def test_an_alembic_environment_of_ones_own_is_understood(url: URL, tmp_path: Path) -> None:
    folder = tmp_path / "alembic"
    engine = create_engine(url, poolclass=NullPool)
    made = make_revision(engine, MetaData(), folder / "versions", "first", autogenerate=False)
    (folder / "env.py").touch()
    schedule(url, OLD, order_id="o1")
    assert found(url, OLD, folder)[0].mark == "ok"  # its version table may have any name

    upgrade(engine, MetaData(), folder / "versions")
    second = make_revision(engine, MetaData(), folder / "versions", "second", autogenerate=False)

    assert made is not None
    assert found(url, OLD, folder)[0].seen == f"not applied: {str(second).split('_')[-2]}"


def test_a_revision_that_cannot_be_read_is_a_risk(url: URL, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("x = (\n")
    schedule(url, OLD, order_id="o1")

    (risk, _) = found(url, OLD, tmp_path)

    assert risk.mark == "risk"
    assert "cannot be read: SyntaxError" in risk.seen


def test_a_database_without_the_frameworks_tables_can_be_compared(url: URL, tmp_path: Path) -> None:
    with create_engine(url, poolclass=NullPool).begin() as connection:
        connection.exec_driver_sql("DROP TABLE _convexpy_alembic_version")

    assert [each.about for each in check_code(url, Settings(), load_app(OLD).registry, tmp_path)] == ["revisions"]

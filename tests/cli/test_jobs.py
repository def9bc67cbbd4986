"""``convexpy jobs`` and ``convexpy crons``: see and change what is scheduled."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from .shop import Shop


@pytest.fixture
def busy_shop(ready_shop: Shop) -> Shop:
    """With one pending job, one that succeeded, and a cron that failed."""
    ready_shop.cli("run", "orders:place", '{"order_id": "o1", "delay_seconds": 0}')
    ready_shop.cli("run", "orders:place", '{"order_id": "o2"}')
    ready_shop.work("orders:charge", "orders:mark")
    return ready_shop


def documents(shop: Shop, *args: str) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = json.loads(shop.cli("jobs", "list", "--json", *args).stdout)
    return listed


def job_id(shop: Shop, state: str) -> str:
    return str(documents(shop, "--state", state)[0]["id"])


def test_jobs_are_listed_pending_first_in_columns(busy_shop: Shop) -> None:
    lines = busy_shop.cli("jobs", "list").stdout.splitlines()
    assert lines[0].split() == ["ID", "FUNCTION", "STATE", "WHEN", "CRON", "ERROR"]
    assert lines[1].split()[1:3] == ["orders:charge", "pending"]
    assert re.search(r"in (60|5\d(\.\d)?) min", lines[1])
    success, failed = sorted(lines[2:], key=lambda line: "failed" in line)  # which of them was later is not known
    assert success.split()[1:3] == ["orders:charge", "success"]
    assert failed.split()[1:3] == ["orders:mark", "failed"]
    assert "sweep" in failed
    assert "NoResultFound" in failed


def test_jobs_can_be_listed_by_state_name_and_limit(busy_shop: Shop) -> None:
    assert {job["state"]["kind"] for job in documents(busy_shop)} == {"pending", "success", "failed"}
    assert [job["name"] for job in documents(busy_shop, "--state", "failed")] == ["orders:mark"]
    assert len(documents(busy_shop, "--name", "orders:charge")) == 2
    assert len(documents(busy_shop, "--limit", "1")) == 1
    assert "--limit shows more" in busy_shop.cli("jobs", "list", "--limit", "1").stdout


def test_show_prints_the_traceback_which_is_in_no_json(busy_shop: Shop) -> None:
    failed = job_id(busy_shop, "failed")
    assert "Traceback (most recent call last)" in busy_shop.cli("jobs", "show", failed).stdout
    assert "Traceback" not in busy_shop.cli("jobs", "show", failed, "--json").stdout


def test_a_state_that_does_not_exist_is_a_usage_error(shop: Shop) -> None:
    result = shop.cli("jobs", "list", "--state", "done")
    assert result.exit_code == 2
    assert "inProgress" in result.stderr


def test_no_jobs_are_a_sentence_for_people_and_an_empty_list_for_programs(ready_shop: Shop) -> None:
    assert ready_shop.cli("jobs", "list").stdout == "No jobs.\n"
    assert documents(ready_shop) == []


def test_a_job_is_shown_with_its_arguments_error_and_line(busy_shop: Shop) -> None:
    shown = busy_shop.cli("jobs", "show", job_id(busy_shop, "failed"))
    assert shown.exit_code == 0
    for part in ("orders:mark (mutation)", "failed", "sweep", '{"order_id": "none", "status": "swept"}', "orders.py:"):
        assert part in shown.stdout
    document = json.loads(busy_shop.cli("jobs", "show", job_id(busy_shop, "failed"), "--json").stdout)
    assert document["state"]["kind"] == "failed"
    assert document["cron"] == "sweep"


def test_a_pending_job_can_be_canceled_once(busy_shop: Shop) -> None:
    pending = job_id(busy_shop, "pending")
    assert busy_shop.cli("jobs", "cancel", pending).stdout == "canceled orders:charge\n"
    again = busy_shop.cli("jobs", "cancel", pending)
    assert (again.exit_code, again.stdout) == (0, "nothing to cancel: orders:charge is finished (canceled)\n")
    assert documents(busy_shop, "--state", "pending") == []


def test_a_finished_job_can_be_tried_again_as_a_new_job(busy_shop: Shop) -> None:
    failed = job_id(busy_shop, "failed")
    new_id = json.loads(busy_shop.cli("jobs", "retry", failed, "--json").stdout)["id"]
    assert new_id != failed
    fresh = json.loads(busy_shop.cli("jobs", "show", new_id, "--json").stdout)
    assert (fresh["name"], fresh["args"], fresh["state"]["kind"]) == (
        "orders:mark",
        {"order_id": "none", "status": "swept"},
        "pending",
    )


def test_a_pending_job_cannot_be_tried_again(busy_shop: Shop) -> None:
    result = busy_shop.cli("jobs", "retry", job_id(busy_shop, "pending"))
    assert result.exit_code == 1
    assert "only a finished job can be retried" in result.stderr


@pytest.mark.parametrize("command", ["show", "cancel", "retry"])
@pytest.mark.parametrize("wrong", ["0" * 32, "no-id", "'; DROP TABLE orders"])
def test_a_job_that_does_not_exist_exits_1(ready_shop: Shop, command: str, wrong: str) -> None:
    result = ready_shop.cli("jobs", command, wrong)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("error: ")


def test_crons_are_listed_with_their_next_and_last_run(busy_shop: Shop) -> None:
    header, row = busy_shop.cli("crons", "list").stdout.splitlines()
    assert header.split() == ["CRON", "SCHEDULE", "FUNCTION", "NEXT", "LAST", "RESULT", "PLACE"]
    for part in ("sweep", "orders:mark", "failed", str(Path("shop/crons.py:9"))):
        assert part in row
    (document,) = json.loads(busy_shop.cli("crons", "list", "--json").stdout)
    assert document["name"] == "sweep"
    assert document["args"] == {"order_id": "none", "status": "swept"}
    assert document["nextTime"] > document["lastTime"]


def test_a_cron_can_be_run_now(busy_shop: Shop) -> None:
    result = busy_shop.cli("crons", "run", "sweep")
    assert result.exit_code == 0
    assert [job["cron"] for job in documents(busy_shop, "--name", "orders:mark", "--state", "pending")] == ["sweep"]


def test_a_cron_is_paused_and_resumed(busy_shop: Shop) -> None:
    paused = busy_shop.cli("crons", "pause", "sweep", "--until", "2h", "--note", "the bank moves")
    assert (paused.exit_code, paused.stdout.startswith("paused 'sweep' until ")) == (0, True)
    assert "paused until" in busy_shop.cli("crons", "list").stdout
    (document,) = json.loads(busy_shop.cli("crons", "list", "--json").stdout)
    assert document["pause"]["note"] == "the bank moves"
    assert document["pause"]["until"] - document["pause"]["time"] == pytest.approx(7_200_000, abs=60_000)
    assert busy_shop.cli("crons", "resume", "sweep").stdout == "resumed 'sweep'\n"
    assert busy_shop.cli("crons", "resume", "sweep").exit_code == 1


@pytest.mark.parametrize("until", ["soon", "2 weeks", "-1h", ""])
def test_a_pause_needs_a_time_that_can_be_read(ready_shop: Shop, until: str) -> None:
    result = ready_shop.cli("crons", "pause", "sweep", f"--until={until}")
    assert result.exit_code == 2
    assert "neither a duration nor a time" in result.stderr


def test_an_unknown_cron_exits_1_and_those_there_are_are_named(ready_shop: Shop) -> None:
    result = ready_shop.cli("crons", "run", "swep")
    assert result.exit_code == 1
    assert "'sweep'" in result.stderr

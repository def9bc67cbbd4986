"""``convexpy run``: call one function and print its result."""

from __future__ import annotations

import json

import pytest
from support.apps import START

from convexpy import JobId
from convexpy.cli.run_line import scheduled_notes
from convexpy.runtime.events import Scheduled

from .process import Process
from .shop import Shop


def test_the_result_is_printed_as_json_and_what_it_scheduled_beside_it(ready_shop: Shop) -> None:
    result = ready_shop.cli("run", "orders:place", '{"order_id": "o1"}')
    assert (result.exit_code, result.stdout) == (0, '"o1"\n')
    assert "→ orders:charge in 60 min, job " in result.stderr


def test_the_arguments_may_be_left_out(ready_shop: Shop) -> None:
    assert ready_shop.cli("run", "orders:statuses").stdout == "{}\n"


def test_internal_functions_can_be_run_too(ready_shop: Shop) -> None:
    ready_shop.cli("run", "orders:place", '{"order_id": "o1"}')
    result = ready_shop.cli("run", "orders:mark", '{"order_id": "o1", "status": "sent"}')
    assert (result.exit_code, result.stdout) == (0, "null\n")
    assert ready_shop.cli("run", "orders:statuses").stdout == '{"o1": "sent"}\n'


def test_the_json_form_has_status_value_and_schedules(ready_shop: Shop) -> None:
    document = json.loads(ready_shop.cli("run", "orders:place", '{"order_id": "o1"}', "--json").stdout)
    assert (document["status"], document["value"]) == ("success", "o1")
    assert [each["name"] for each in document["scheduled"]] == ["orders:charge"]


def test_an_identity_is_passed_to_the_function(ready_shop: Shop) -> None:
    identity = '{"subject": "u1", "issuer": "here", "claims": {"role": "admin"}}'
    assert ready_shop.cli("run", "orders:whoami", "--identity", identity).stdout == "\"u1 {'role': 'admin'}\"\n"
    assert ready_shop.cli("run", "orders:whoami").stdout == "null\n"


def test_an_unknown_name_exits_1_with_the_nearest_one(ready_shop: Shop) -> None:
    result = ready_shop.cli("run", "orders:plaice")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "there is no function 'orders:plaice'. Did you mean 'orders:place'?" in result.stderr


def test_wrong_arguments_name_the_function_and_every_path(ready_shop: Shop) -> None:
    result = ready_shop.cli("run", "orders:place", '{"orderid": "o1", "delay_seconds": "soon"}')
    assert result.exit_code == 1
    for part in ("orders:place", "order_id: Field required", "delay_seconds", "did you mean 'order_id'?"):
        assert part in result.stderr


def test_a_failed_function_shows_its_error_and_line_and_exits_1(ready_shop: Shop) -> None:
    result = ready_shop.cli("run", "orders:crash")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "RuntimeError: first line\nsecond line \\x1b[31m" in result.stderr
    assert "shop/orders.py:" in result.stderr
    assert "in crash" in result.stderr


def test_a_failed_function_in_json_has_code_message_and_data(ready_shop: Shop) -> None:
    result = ready_shop.cli("run", "orders:fail", "--json")
    document = json.loads(result.stdout)
    assert result.exit_code == 1
    assert document["status"] == "error"
    assert (document["errorCode"], document["errorData"]) == ("CONFLICT", {"why": "test"})
    assert "it failed" in document["errorMessage"]


def test_the_whole_traceback_is_shown_when_asked_for(ready_shop: Shop) -> None:
    assert "Traceback (most recent call last)" not in ready_shop.cli("run", "orders:crash").stderr
    assert "Traceback (most recent call last)" in ready_shop.cli("run", "orders:crash", "--traceback").stderr


def test_arguments_are_not_repeated_in_errors(ready_shop: Shop) -> None:
    result = ready_shop.cli("run", "orders:fail", '{"secret": "tr0ub4dor"}')
    assert "tr0ub4dor" not in result.output


def test_a_missing_database_is_not_made(shop: Shop) -> None:
    before = shop.files()
    result = shop.cli("run", "orders:statuses")
    assert result.exit_code == 1
    assert "there is no database" in result.stderr
    assert "convexpy dev" in result.stderr
    assert shop.files() == before


def test_watching_is_for_queries_only(ready_shop: Shop) -> None:
    result = ready_shop.cli("run", "orders:place", '{"order_id": "o1"}', "--watch")
    assert result.exit_code == 2
    assert "--watch is for queries" in result.stderr
    assert ready_shop.cli("run", "orders:statuses").stdout == "{}\n"


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_a_watched_query_is_printed_again_when_its_result_changes(ready_shop: Shop, form: list[str]) -> None:
    with Process(ready_shop.root, "run", "orders:statuses", "--watch", *form) as watcher:
        watcher.line("{}")
        assert ready_shop.cli("run", "orders:place", '{"order_id": "o1"}').exit_code == 0
        watcher.line('{"o1": "new"}')
        assert ready_shop.cli("run", "orders:mark", '{"order_id": "o1", "status": "sent"}').exit_code == 0
        watcher.line('{"o1": "sent"}')
        assert len(watcher.lines) == 3


def test_very_many_schedules_are_one_line() -> None:
    charges = [Scheduled("orders:charge", START, JobId(str(number))) for number in range(1000)]
    assert list(scheduled_notes(charges, START)) == ["→ 1,000 jobs: orders:charge (1,000)"]
    assert len(list(scheduled_notes(charges[:10], START))) == 10
    others = [Scheduled(f"orders:f{number}", START, JobId(str(number))) for number in range(5)]
    assert list(scheduled_notes([*charges[:10], *others], START)) == [
        "→ 15 jobs: orders:charge (10), orders:f0 (1), orders:f1 (1) and 3 other functions"
    ]

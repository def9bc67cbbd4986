"""``_system/functions``: stats, the check of arguments, and calls by hand, for good and dry."""

from __future__ import annotations

import json
from typing import Annotated, Any

import pytest
from app.models import Base, Order
from pydantic import BaseModel, Field
from sqlalchemy import select

from convexpy import ActionCtx, ConvexError, MutationCtx, QueryCtx, action, mutation, query
from convexpy._system import audit, functions
from convexpy.runtime.admin import Admin
from convexpy.runtime.events import Run
from convexpy.testing import ConvexTest

HERE = __name__


class Filter(BaseModel):
    """Which orders are meant."""

    status: str


@mutation
def place(ctx: MutationCtx, order_id: Annotated[str, Field(min_length=1)], number: int = 1) -> str | None:
    """Place an order.

    It is not paid yet.
    """
    ctx.db.add(Order(id=order_id, status=str(number)))
    ctx.schedule.after(1000, charge, order_id=order_id)
    return ctx.identity.token_identifier if ctx.identity else None


@mutation
def refuse(ctx: MutationCtx, order_id: str) -> None:
    ctx.db.add(Order(id=order_id))
    raise ConvexError("CONFLICT", "sold out", {"order": order_id})


@mutation
def schedule_refused(ctx: MutationCtx) -> str:
    return ctx.schedule.now(refuse, order_id="o7")


@action
async def charge(ctx: ActionCtx, order_id: str) -> str:
    return f"charged {order_id}"


@query
def orders(ctx: QueryCtx) -> dict[str, Any]:
    subject = ctx.identity.subject if ctx.identity else None
    return {"of": subject, "ids": list(ctx.db.scalars(select(Order.id).order_by(Order.id)))}


@pytest.fixture
def shop(request: pytest.FixtureRequest, database: str | None) -> Any:
    with ConvexTest(request.module, metadata=Base.metadata, database_url=database) as convex:
        yield convex


def test_functions_are_listed_with_module_and_doc(shop: ConvexTest) -> None:
    found = {info["name"]: info for info in shop.call("_system/functions:list")}
    assert found[f"{HERE}:place"]["module"] == HERE
    assert found[f"{HERE}:place"]["doc"] == "Place an order.\n\nIt is not paid yet."
    assert found[f"{HERE}:refuse"]["doc"] is None


@query
def of_an_order(ctx: QueryCtx, filters: list[Filter]) -> None: ...


def test_clients_get_schemas_as_text(shop: ConvexTest) -> None:
    calls = shop.convex.calls
    call = calls.bind_client("_system/functions:list", {}, None, admin=Admin("dev"))
    found = {info["name"]: info for info in json.loads(calls.run(call))}
    schema = json.loads(found[f"{HERE}:of_an_order"]["arguments"])
    assert schema["$defs"]["Filter"]["properties"]["status"]["type"] == "string"
    here = {info["name"]: info for info in shop.call("_system/functions:list")}
    assert here[f"{HERE}:of_an_order"]["arguments"] == schema


def test_stats_are_sums_of_calls_and_failures(shop: ConvexTest) -> None:
    shop.convex.calls.collector.start(shop.convex.calls.listeners)
    for number in range(3):
        shop.run(place, order_id=f"o{number}")
    with pytest.raises(ConvexError):
        shop.run(refuse, order_id="o9")
    shop.convex.calls.collector.flush()
    found = {each["name"]: each for each in shop.call("_system/functions:stats")}
    assert {name: (each["calls"], each["errors"]) for name, each in found.items() if name.startswith(HERE)} == {
        f"{HERE}:place": (3, 0),
        f"{HERE}:refuse": (1, 1),
    }
    assert found[f"{HERE}:place"]["callsByMinute"][-1] == 3
    assert 0 < found[f"{HERE}:place"]["p50"] <= found[f"{HERE}:place"]["p95"]
    history = shop.call("_system/functions:function_stats", {"name": f"{HERE}:refuse", "minutes": 30})
    assert (history["calls"], history["errors"], len(history["minutes"])) == (1, 1, 30)
    assert history["minutes"][-1]["errors"] == 1
    assert history["minutes"][0]["p95"] is None


def test_arguments_are_checked_as_a_call_would(shop: ConvexTest) -> None:
    def problems(args: dict[str, Any]) -> list[str]:
        return [
            issue["path"] for issue in shop.call("_system/functions:check", {"name": f"{HERE}:place", "args": args})
        ]

    assert problems({"order_id": "o1"}) == []
    assert problems({"order_id": "", "number": "x", "other": 1}) == ["order_id", "number", "other"]
    assert problems({}) == ["order_id"]


def test_a_function_is_called_as_a_user(shop: ConvexTest) -> None:
    runs: list[Run] = []
    shop.convex.on_run(runs.append)
    called = {"name": f"{HERE}:place", "args": {"order_id": "o1"}, "subject": "ada", "issuer": "https://x"}
    outcome = shop.call("_system/functions:run", called)
    assert (json.loads(outcome["value"]), outcome["error"]) == ("https://x|ada", None)
    assert outcome["milliseconds"] > 0
    assert (f"{HERE}:place", "success") in [(run.name, run.outcome) for run in runs]  # a run like any other
    acted = shop.call("_system/functions:run", {"name": f"{HERE}:charge", "args": {"order_id": "o1"}})
    assert acted["value"] == '"charged o1"'
    entries = shop.run(audit.list).entries
    assert [(entry.action, entry.target, entry.details) for entry in entries] == [
        ("call", f"{HERE}:charge", None),
        ("call", f"{HERE}:place", '{"subject": "ada"}'),
    ]


def test_an_error_is_the_outcome_of_a_call(shop: ConvexTest) -> None:
    outcome = shop.call("_system/functions:run", {"name": f"{HERE}:refuse", "args": {"order_id": "o1"}})
    error = outcome["error"]
    assert (outcome["value"], error["code"], error["message"]) == (None, "CONFLICT", "sold out")
    assert json.loads(error["data"]) == {"order": "o1"}
    assert "in refuse" in error["trace"]


def test_a_watched_query_is_live_and_belongs_to_its_user(shop: ConvexTest) -> None:
    mine = shop.watch(functions.watch, name=f"{HERE}:orders", args={}, subject="ada")
    nobodys = shop.watch(functions.watch, name=f"{HERE}:orders", args={})

    def shown() -> list[Any]:
        return [json.loads(str(each.value.value)) for each in (mine, nobodys)]

    assert shown() == [{"of": "ada", "ids": []}, {"of": None, "ids": []}]
    shop.run(place, order_id="o1")
    assert shown() == [{"of": "ada", "ids": ["o1"]}, {"of": None, "ids": ["o1"]}]
    with pytest.raises(ConvexError, match="run_query calls a query"):
        shop.run(functions.watch, name=f"{HERE}:place", args={"order_id": "o2"})


def test_a_dry_run_tells_rows_and_jobs_in_json(shop: ConvexTest) -> None:
    called = {"name": f"{HERE}:place", "args": {"order_id": "o1", "number": 5}, "subject": "ada"}
    outcome = shop.call("_system/functions:dry_run", called)
    assert (outcome["value"], outcome["error"], outcome["unknown"]) == ('"|ada"', None, [])
    (table,) = outcome["changes"]
    assert (table["table"], table["key"], table["counts"]) == ("orders", ["id"], {"inserted": 1})
    assert table["rows"] == [
        {"action": "inserted", "key": '"o1"', "before": None, "after": {"id": '"o1"', "status": '"5"'}}
    ]
    (job,) = outcome["scheduled"]
    assert (job["name"], json.loads(job["args"])) == (f"{HERE}:charge", {"order_id": "o1"})
    assert (
        shop.call("_system/functions:watch", {"name": f"{HERE}:orders", "args": {}})["value"]
        == '{"of": null, "ids": []}'
    )
    assert shop.call("_system/audit:list")["entries"] == []


def test_a_failed_job_is_run_dry_with_its_arguments(shop: ConvexTest) -> None:
    job_id = shop.run(schedule_refused)
    shop.run_due()
    outcome = shop.call("_system/functions:dry_run", {"job_id": job_id})
    assert outcome["error"]["message"] == "sold out"
    changed = shop.call("_system/functions:dry_run", {"job_id": job_id, "args": {"order_id": "o8"}})
    assert json.loads(changed["error"]["data"]) == {"order": "o8"}
    with pytest.raises(ConvexError, match="there is no job"):
        shop.call("_system/functions:dry_run", {"job_id": "0" * 32})


@pytest.mark.parametrize(("name", "why"), [("charge", "could not be rolled back"), ("orders", "writes nothing")])
def test_only_mutations_can_be_run_dry(shop: ConvexTest, name: str, why: str) -> None:
    args = {"order_id": "o1"} if name == "charge" else {}
    with pytest.raises(ConvexError, match=why):
        shop.call("_system/functions:dry_run", {"name": f"{HERE}:{name}", "args": args})

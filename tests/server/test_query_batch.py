"""``/api/query_batch`` on both databases: one snapshot, in which a failed query harms no other."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from app.models import User
from sqlalchemy import func, select, text
from support.http_client import served

from convexpy import Convex, MutationCtx, QueryCtx, mutation, query

ME = __name__
apps: list[Convex] = []


@query
def count(ctx: QueryCtx) -> int:
    return ctx.db.scalar(select(func.count(User.id))) or 0


@query
def fail(ctx: QueryCtx) -> int:
    return ctx.db.scalar(text("SELECT nothing FROM nowhere")) or 0


@query
def meanwhile(ctx: QueryCtx) -> None:
    """Another client commits while the queries run."""
    other = threading.Thread(target=lambda: apps[-1].run(add, user="u2"))
    other.start()
    other.join(30)


@mutation
def add(ctx: MutationCtx, user: str) -> None:
    ctx.db.add(User(id=user))


def test_queries_of_one_request_share_a_snapshot(database: str, tmp_path: Path) -> None:
    with served(sys.modules[ME], tmp_path, database=database) as (convex, client):
        apps.append(convex)
        convex.run(add, user="u1")
        queries = [{"path": f"{ME}:{name}"} for name in ("count", "fail", "meanwhile", "count")]
        first, failed, _, last = client.post("/api/query_batch", json={"queries": queries}).json()["results"]
        assert first == last == {"status": "success", "value": 1}
        assert failed["status"] == "error"
        assert "nowhere" not in failed["errorMessage"]
        assert client.call("query", f"{ME}:count")["value"] == 2

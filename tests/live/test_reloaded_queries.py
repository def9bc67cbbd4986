"""A new version of the app: everything runs again, with its code."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.waiting import PATIENCE_SECONDS

from convexpy import Convex, FunctionNotFound, InvalidArguments

CODE = """
from convexpy import QueryCtx, query
from pydantic import BaseModel


class Filter(BaseModel):
    name: str


@query
def shown(ctx: QueryCtx, filter: Filter) -> str:
    assert type(filter) is Filter
    return "first " + filter.name
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    folder = tmp_path / "reloaded_app"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "texts.py").write_text(CODE)
    yield folder
    for name in [name for name in sys.modules if name.startswith("reloaded_app")]:
        del sys.modules[name]


def test_subscriptions_run_the_new_code(database: str, package: Path) -> None:
    with Convex(database, functions="reloaded_app") as convex:
        call = convex.calls.bind_json("texts:shown", {"filter": {"name": "x"}}, None)
        with convex.live.subscribe_to(call) as updates:
            assert updates.get(PATIENCE_SECONDS) == "first x"
            (package / "texts.py").write_text(CODE.replace("first", "second"))
            convex.reload()
            assert updates.get(PATIENCE_SECONDS) == "second x"
            (package / "texts.py").write_text(CODE.replace("def shown", "def hidden"))
            convex.reload()
            with pytest.raises(FunctionNotFound):
                updates.get(PATIENCE_SECONDS)
            (package / "texts.py").write_text(CODE.replace("name: str", "name: int"))
            convex.reload()
            with pytest.raises(InvalidArguments):
                updates.get(PATIENCE_SECONDS)
            (package / "texts.py").write_text(CODE.replace("first", "third"))
            convex.reload()
            assert updates.get(PATIENCE_SECONDS) == "third x"

"""``Convex.from_project()``: the app that the command line would load."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from convexpy import Convex, DatabaseError, LoadError, Settings, SettingsError

from .shop import Shop


def test_it_is_the_app_that_the_command_line_loads(ready_shop: Shop) -> None:
    assert ready_shop.cli("run", "orders:place", '{"order_id": "o1"}').exit_code == 0
    with Convex.from_project() as convex:
        assert convex.call("orders:statuses") == {"o1": "new"}
        assert convex.call("orders:place", {"order_id": "o2"}) == "o2"
        assert convex.metadata is not None
        assert set(convex.metadata.tables) == {"orders"}
    assert json.loads(ready_shop.cli("run", "orders:statuses", "--json").stdout)["value"] == {"o1": "new", "o2": "new"}


def test_settings_are_those_of_pyproject_dotenv_and_environment(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, database: str
) -> None:
    shop.write("pyproject.toml", '[tool.convexpy]\nfunctions = "shop"\naction_concurrency = 3\nmutation_retries = 1\n')
    shop.write(".env", "CONVEXPY_MUTATION_RETRIES=2\nCONVEXPY_STOP_GRACE=3\n")
    monkeypatch.setenv("CONVEXPY_STOP_GRACE", "4")
    monkeypatch.setenv("CONVEXPY_DATABASE", database)
    with Convex.from_project(shop.root / "shop") as convex:  # a folder inside, as --project takes it
        expected = Settings(action_concurrency=3, mutation_retries=2, stop_grace=4)  # type: ignore[arg-type]
        assert convex.settings == expected
        assert convex.database.url.database in database
    assert not (shop.root / ".convexpy").exists()


def test_another_database_is_given_as_by_the_flag(shop: Shop, tmp_path: Path) -> None:
    with Convex.from_project(database="sqlite:///other.db") as convex:
        assert convex.database.url.database == str(shop.root / "other.db")


def test_a_subclass_is_kept(shop: Shop) -> None:
    class Mine(Convex):
        pass

    with Mine.from_project() as convex:
        assert type(convex) is Mine


def test_what_is_wrong_is_raised_as_the_command_line_shows_it(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.write("shop/broken.py", "1 / 0")
    with pytest.raises(LoadError, match=r"shop/broken\.py:1: ZeroDivisionError"):
        Convex.from_project()
    (shop.root / "shop/broken.py").unlink()
    with pytest.raises(DatabaseError, match="is not a database URL"):
        Convex.from_project(database="nonsense")
    monkeypatch.setenv("CONVEXPY_STOP_GRACE", "soon")
    with pytest.raises(SettingsError, match="CONVEXPY_STOP_GRACE in the environment"):
        Convex.from_project()
    shop.write("pyproject.toml", "")
    with pytest.raises(SettingsError, match="`functions` is not set"):
        Convex.from_project()
    with pytest.raises(SettingsError, match="there is no such folder"):
        Convex.from_project("nowhere")


def test_a_web_app_within_the_package_is_loaded_by_commands_too(ready_shop: Shop) -> None:
    ready_shop.write("shop/web.py", "from convexpy import Convex\n\nconvex = Convex.from_project()\n")
    assert ready_shop.cli("check").exit_code == 0
    assert ready_shop.cli("run", "orders:place", '{"order_id": "o1"}').exit_code == 0

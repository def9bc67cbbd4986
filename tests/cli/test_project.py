"""A project's settings: where they come from, which one wins, and what is said of wrong ones."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from convexpy.errors import LoadError, SettingsError
from convexpy.project import load_project

from .shop import Shop


def test_the_nearest_pyproject_at_or_above_the_folder_counts(shop: Shop) -> None:
    inner = shop.root / "shop" / "deeper"
    inner.mkdir()
    assert load_project(inner).root == shop.root


def test_without_settings_the_defaults_are_for_development(shop: Shop) -> None:
    project = load_project(shop.root)
    assert project.functions == "shop"
    assert project.database == f"sqlite:///{shop.root}/.convexpy/dev.db"
    assert not project.has_database
    assert project.migrations == shop.root / "migrations"
    assert project.settings.mutation_time_limit == timedelta(seconds=10)


def test_each_later_source_wins(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.write("pyproject.toml", '[tool.convexpy]\nfunctions = "shop"\ndatabase = "sqlite:////a.db"\n')
    assert load_project(shop.root).database == "sqlite:////a.db"
    shop.write(".env", "CONVEXPY_DATABASE=sqlite:////b.db\n")
    assert load_project(shop.root).database == "sqlite:////b.db"
    monkeypatch.setenv("CONVEXPY_DATABASE", "sqlite:////c.db")
    assert load_project(shop.root).database == "sqlite:////c.db"
    project = load_project(shop.root, database="sqlite:////d.db", functions=None)
    assert project.database == "sqlite:////d.db"
    assert project.origins == {"functions": "pyproject.toml", "database": "a flag"}


def test_an_empty_variable_is_not_set(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVEXPY_DATABASE", "")
    assert not load_project(shop.root).has_database


@pytest.mark.parametrize(
    ("url", "resolved"),
    [
        ("sqlite:///shop.db", "sqlite:///{root}/shop.db"),
        ("sqlite+pysqlite:///data/shop.db?timeout=3", "sqlite+pysqlite:///{root}/data/shop.db?timeout=3"),
        ("sqlite:////var/shop.db", "sqlite:////var/shop.db"),
        ("sqlite:///:memory:", "sqlite:///:memory:"),
        ("postgresql://u:p@host/shop", "postgresql://u:p@host/shop"),
    ],
)
def test_a_relative_sqlite_path_is_relative_to_the_project(shop: Shop, url: str, resolved: str) -> None:
    assert load_project(shop.root / "shop", database=url).database == resolved.format(root=shop.root)


def test_durations_are_seconds_in_pyproject_and_in_the_environment(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.write("pyproject.toml", '[tool.convexpy]\nfunctions = "shop"\nmutation_time_limit = 2.5\nmax_scheduled = 7\n')
    monkeypatch.setenv("CONVEXPY_RETENTION", "60")
    settings = load_project(shop.root).settings
    assert settings.mutation_time_limit == timedelta(seconds=2.5)
    assert settings.max_scheduled == 7
    assert settings.retention == timedelta(minutes=1)


def test_an_unknown_key_is_refused_with_its_line_and_the_nearest_name(shop: Shop) -> None:
    shop.write("pyproject.toml", '[tool.convexpy]\nfunctions = "shop"\nmutation_timelimit = 5\n')
    with pytest.raises(SettingsError, match=r"pyproject.toml:3: .*Did you mean 'mutation_time_limit'"):
        load_project(shop.root)


def test_an_unknown_variable_is_refused_by_its_name(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVEXPY_DATABSE", "sqlite:///x.db")
    with pytest.raises(SettingsError, match=r"CONVEXPY_DATABSE in the environment: .*Did you mean 'database'"):
        load_project(shop.root)


def test_an_unknown_variable_in_dot_env_is_refused_with_its_line(shop: Shop) -> None:
    shop.write(".env", "STRIPE_KEY=secret\nCONVEXPY_FUNCTION=shop\n")
    with pytest.raises(SettingsError, match=r"\.env:2: .*Did you mean 'functions'"):
        load_project(shop.root)


def test_variables_for_a_test_suite_are_not_settings(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVEXPY_TEST_POSTGRES_URL", "postgresql://localhost")
    load_project(shop.root)


def test_every_wrong_value_is_listed_and_no_value_is_shown(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.write("pyproject.toml", '[tool.convexpy]\nfunctions = "my-shop"\nretention = "soon"\nmutation_workers = 0\n')
    monkeypatch.setenv("CONVEXPY_METADATA", "s3cret")
    with pytest.raises(SettingsError) as caught:
        load_project(shop.root)
    assert {line.partition(": ")[0].removeprefix(f"{shop.root}/") for line in str(caught.value).splitlines()} == {
        "pyproject.toml:2",
        "pyproject.toml:3",
        "pyproject.toml:4",
        "CONVEXPY_METADATA in the environment",
    }
    assert "number of seconds" in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_a_missing_package_name_says_what_to_add(shop: Shop) -> None:
    shop.write("pyproject.toml", "[project]\n")
    with pytest.raises(SettingsError, match=r"pyproject.toml: `functions` is not set\. Add \[tool\.convexpy\]"):
        load_project(shop.root)


@pytest.mark.parametrize("text", ["[tool.convexpy\n", "[tool]\nconvexpy = 3\n", "tool = []\n", "\xff"])
def test_a_broken_pyproject_is_named(shop: Shop, text: str) -> None:
    (shop.root / "pyproject.toml").write_text(text, "latin-1")
    with pytest.raises(SettingsError, match=r"pyproject\.toml"):
        load_project(shop.root)


def test_the_only_metadata_of_the_app_is_found(shop: Shop) -> None:
    metadata = load_project(shop.root).find_metadata()
    assert metadata is not None
    assert set(metadata.tables) == {"orders"}


class ImportsMore(str):
    """The name of a module: to look at it imports another one, as a thread may do meanwhile."""

    def startswith(self, *args: Any) -> bool:
        sys.modules[f"{self} {len(sys.modules)}"] = sys.modules[__name__]
        return super().startswith(*args)


def test_metadata_is_found_while_another_thread_imports(shop: Shop) -> None:
    sys.modules[ImportsMore("imports more")] = sys.modules[__name__]
    try:
        assert load_project(shop.root).find_metadata() is not None
    finally:
        for name in [name for name in list(sys.modules) if str.startswith(name, "imports more")]:
            del sys.modules[name]


def test_an_app_without_tables_has_no_metadata(shop: Shop) -> None:
    shop.write("shop/models.py", "")
    shop.write("shop/orders.py", "from convexpy import ScheduledFunction\n")
    shop.write("shop/crons.py", "")
    assert load_project(shop.root).find_metadata() is None


def test_two_bases_need_a_choice_and_both_are_named(shop: Shop) -> None:
    shop.write("shop/more.py", (shop.root / "shop/models.py").read_text())
    with pytest.raises(SettingsError, match=r"'shop.models:Base', 'shop.more:Base'"):
        load_project(shop.root).find_metadata()
    for choice in ("shop.more:Base", "shop.more:Base.metadata"):
        assert load_project(shop.root, metadata=choice).find_metadata() is not None


@pytest.mark.parametrize("choice", ["shop.nothing:Base", "shop.models:Nothing", "shop.orders:place"])
def test_metadata_that_is_not_there_is_an_error_that_names_it(shop: Shop, choice: str) -> None:
    with pytest.raises(SettingsError, match=choice):
        load_project(shop.root, metadata=choice).find_metadata()


def test_looking_for_metadata_reports_what_does_not_import(shop: Shop) -> None:
    shop.write("shop/broken.py", "import nothing_of_this_name\n")
    with pytest.raises(LoadError, match=r"shop/broken.py:1"):
        load_project(shop.root).find_metadata()


def test_a_file_instead_of_a_folder_is_refused(shop: Shop) -> None:
    with pytest.raises(SettingsError, match="no such folder"):
        load_project(shop.root / "pyproject.toml")


def test_the_project_comes_first_on_the_import_path(shop: Shop) -> None:
    load_project(Path("shop")).put_on_path()
    assert sys.path[0] == str(shop.root)


@pytest.mark.parametrize("value", ["-5", "-0.5"])
def test_a_negative_duration_is_refused_for_being_negative(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("CONVEXPY_RETENTION", value)
    with pytest.raises(SettingsError, match=r"CONVEXPY_RETENTION.*greater than or equal to 0"):
        load_project(shop.root)

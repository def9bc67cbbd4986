"""What may be declared as a cron, and where: everything else is refused when the app loads, with its file.

==== ======================================================================================
C1   test_only_the_file_named_crons_counts, test_a_misnamed_or_empty_crons_file_is_a_warning
C2   test_a_bad_interval_is_refused
C3   test_a_bad_expression_is_refused
C5   test_less_than_a_minute_is_refused_unless_a_setting_allows_it, test_six_fields_are_refused
C6   test_a_bad_name_is_refused
C7   test_what_a_cron_runs_is_checked_when_the_app_loads
==== ======================================================================================
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from support.apps import START
from support.cron_app import HOUR, act, app_with, look, ran, work

from convexpy import Convex, Crons, LoadError, Settings, internal
from convexpy.testing import ConvexTest

promise = pytest.mark.promise
pytestmark = pytest.mark.usefixtures("no_cron_ran")


# ---------------------------------------------------------------------------------------------- refused


@promise("C2")
@pytest.mark.parametrize("period", [timedelta(0), timedelta(seconds=-60), timedelta(days=40_000), 7200, None])
def test_a_bad_interval_is_refused(period: Any) -> None:
    assert_refused(lambda crons: crons.interval("odd", period, work), "cron 'odd'")


@promise("C5")
def test_less_than_a_minute_is_refused_unless_a_setting_allows_it() -> None:
    app = app_with(lambda crons: crons.interval("fast", work, seconds=59))
    with pytest.raises(LoadError, match=r"cron 'fast': .*min_cron_interval"), ConvexTest(app):
        pass
    allowed = Settings(min_cron_interval=timedelta(seconds=10))
    with ConvexTest(app, settings=allowed, now=START) as convex:
        convex.advance(seconds=60)
        assert ran == [START, START + timedelta(seconds=59)]
    with ConvexTest(app_with(lambda crons: crons.interval("minute", work, minutes=1))):
        pass


def assert_refused(declare: Callable[[Crons], object], *words: str) -> None:
    with pytest.raises(LoadError) as refused, ConvexTest(app_with(declare)):
        pass
    (problem,) = refused.value.problems
    assert f"{Path(__file__).name}:" in problem
    for word in words:
        assert word in problem


@promise("C3")
@pytest.mark.parametrize("expression", ["", "x", "0 9 * *", "60 * * * *", "0 9 * * mon-", "0 0 31 2 *", "@daily", None])
def test_a_bad_expression_is_refused(expression: Any) -> None:
    assert_refused(lambda crons: crons.cron("odd", expression, work), "cron 'odd'")


@promise("C5")
@pytest.mark.parametrize("expression", ["0 0 9 * * *", "*/10 * * * * *"])
def test_six_fields_are_refused(expression: str) -> None:
    assert_refused(lambda crons: crons.cron("odd", expression, work), "cron 'odd'", "exactly five")


@promise("C6")
@pytest.mark.parametrize("name", ["", "  ", "two\nlines", "bell\a", None])
def test_a_bad_name_is_refused(name: Any) -> None:
    assert_refused(lambda crons: crons.interval(name, HOUR, work), f"cron {name!r}")


@promise("C6")
def test_a_name_that_is_taken_is_refused_with_both_places() -> None:
    def declare(crons: Crons) -> None:
        crons.interval("same", HOUR, work)
        crons.cron("same", "0 9 * * *", act)

    with pytest.raises(LoadError) as refused, ConvexTest(app_with(declare)):
        pass
    (problem,) = refused.value.problems
    assert problem.count(Path(__file__).name) == 2


@promise("C7")
@pytest.mark.parametrize(
    ("declare", "word"),
    [
        (lambda crons: crons.interval("odd", HOUR, look), "is a query"),
        (lambda crons: crons.interval("odd", HOUR, work, label=5), "label"),
        (lambda crons: crons.interval("odd", HOUR, work, lable="x"), "lable"),
        (lambda crons: crons.cron("odd", "0 9 * * *", internal.nowhere.nothing), "nowhere:nothing"),
        (lambda crons: crons.cron("odd", "0 9 * * *", "nowhere:nothing"), "nowhere:nothing"),
        (lambda crons: crons.cron("odd", "0 9 * * *", print), "not a function of the app"),
    ],
    ids=["query", "wrong type", "misspelt", "reference", "name", "undecorated"],
)
def test_what_a_cron_runs_is_checked_when_the_app_loads(declare: Any, word: str) -> None:
    assert_refused(declare, "cron 'odd'", word)


def test_every_problem_is_reported_not_only_the_first() -> None:
    def declare(crons: Crons) -> None:
        crons.interval("one", timedelta(0), work)
        crons.cron("two", "nonsense", look)  # type: ignore[arg-type]

    with pytest.raises(LoadError) as refused, ConvexTest(app_with(declare)):
        pass
    assert "cron 'one'" in str(refused.value)
    assert "nonsense" in str(refused.value)
    assert "is a query" in str(refused.value)


# ---------------------------------------------------------------------------------------------- files


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., str]]:
    """Writes a package of functions and gives its name."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(**files: str) -> str:
        folder = tmp_path / "package_under_test"
        folder.mkdir(exist_ok=True)
        for name, content in {"__init__": "", **files}.items():
            (folder / f"{name}.py").write_text(content)
        return folder.name

    yield write
    for name in [name for name in sys.modules if name.partition(".")[0] == "package_under_test"]:
        del sys.modules[name]


FUNCTIONS = "from convexpy import mutation\n@mutation\ndef work(ctx): ...\n"
CRONS = "from convexpy import Crons\nfrom .jobs import work\ncrons = Crons()\ncrons.interval('x', work, hours=1)\n"


@promise("C1")
def test_only_the_file_named_crons_counts(package: Callable[..., str]) -> None:
    name = package(jobs=FUNCTIONS + CRONS.replace("from .jobs import work\n", ""), crons=CRONS)
    with ConvexTest(name) as convex:
        (cron,) = convex.call("_system/crons:list")
        assert cron["name"] == "x"
        assert cron["place"].endswith("package_under_test/crons.py:4")
        convex.run_due()
        assert len(convex.jobs()) == 1


@promise("C1")
@pytest.mark.parametrize(
    ("files", "advice"),
    [
        ({"cron": CRONS}, "Rename this file to crons.py"),
        ({"crons": "CRONS = []\n"}, "has no Crons object"),
    ],
)
def test_a_misnamed_or_empty_crons_file_is_a_warning(
    package: Callable[..., str], database: str, files: dict[str, str], advice: str
) -> None:
    name = package(jobs=FUNCTIONS, **files)
    with pytest.warns(UserWarning, match=advice):
        convex = Convex(database, functions=name)
    with convex:
        assert convex.app.crons.definitions == {}
        assert advice in convex.app.warnings[0]


@promise("C1")
def test_an_app_without_crons_is_no_warning(package: Callable[..., str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with ConvexTest(package(jobs=FUNCTIONS)) as convex:
            assert convex.convex.app.warnings == []

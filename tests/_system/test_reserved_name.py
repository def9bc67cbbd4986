"""The name ``_system`` is the framework's: found by the server's own calls, and by nothing else."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from convexpy import FunctionNotFound, InvalidSchedule, LoadError, MutationCtx, QueryCtx, internal, mutation, query
from convexpy._system import MODULES, jobs
from convexpy.functions.registry import Registry
from convexpy.runtime.handler_checks import problems_of
from convexpy.testing import ConvexTest

NAMES = {
    "_system/app:find_jobs",
    "_system/app:function_names",
    "_system/app:overview",
    "_system/audit:list",
    "_system/conflicts:list",
    "_system/crons:list",
    "_system/crons:run",
    "_system/data:preview",
    "_system/data:row",
    "_system/data:rows",
    "_system/data:save",
    "_system/data:table",
    "_system/data:tables",
    "_system/errors:get",
    "_system/errors:jobs",
    "_system/errors:list",
    "_system/errors:replay",
    "_system/errors:replay_now",
    "_system/functions:list",
    "_system/health:database",
    "_system/health:figures",
    "_system/health:findings",
    "_system/health:workers",
    "_system/jobs:apply",
    "_system/jobs:bulk",
    "_system/jobs:bulk_progress",
    "_system/jobs:cancel",
    "_system/jobs:cancel_now",
    "_system/jobs:counts",
    "_system/jobs:details",
    "_system/jobs:figures",
    "_system/jobs:find",
    "_system/jobs:get",
    "_system/jobs:list",
    "_system/jobs:reschedule",
    "_system/jobs:retry",
    "_system/jobs:run_now",
    "_system/jobs:schedule",
    "_system/jobs:search",
    "_system/jobs:strip",
    "_system/jobs:tree",
    "_system/jobs:undo",
    "_system/keys:list",
    "_system/keys:new",
    "_system/keys:revoke",
    "_system/live:list",
    "_system/logs:lines",
}
MUTATION = "from convexpy import mutation\n@mutation\ndef work(ctx): ...\n"


@query
def pending(ctx: QueryCtx) -> int:
    return len(ctx.run_query(jobs.list, state="pending"))


@query
def jobs_list(ctx: QueryCtx) -> None: ...


@mutation
def schedule_by_reference(ctx: MutationCtx, name: str) -> None:
    ctx.schedule.now(getattr(internal._system.jobs, name), job_id="0" * 32)


reexported = jobs.list


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., str]]:
    """Writes a package with these files, and gives its name."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(**files: str) -> str:
        for name, text in {"__init__": "", **files}.items():
            path = tmp_path / "reserving" / f"{name}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        importlib.invalidate_caches()
        return "reserving"

    yield write
    for name in [name for name in sys.modules if name.partition(".")[0] == "reserving"]:
        del sys.modules[name]


def test_the_frameworks_functions_pass_every_check_of_a_users() -> None:
    registry = Registry({}, MODULES)
    assert set(registry._system) >= NAMES
    for name in registry._system:
        function = registry.find(name)
        assert (function.name, function.visibility) == (name, "internal")
        assert list(problems_of(function)) == []
        assert function.arguments_schema["type"] == "object"
        assert function.result_schema
    assert MODULES.keys() == {name.partition(":")[0] for name in registry._system}


def test_they_are_found_and_not_listed(convex: ConvexTest) -> None:
    listed = {f"{__name__}:{name}" for name in ("pending", "jobs_list", "schedule_by_reference")}
    assert convex.convex.registry.functions.keys() == listed
    assert convex.convex.registry.find("_system/jobs:list") is jobs.list
    assert reexported.name == "_system/jobs:list"
    assert convex.run(pending) == 0


def test_a_reference_finds_them_as_internal_ones(convex: ConvexTest) -> None:
    convex.run(schedule_by_reference, name="cancel")
    convex.run_due()
    assert [(job.name, job.state.kind) for job in convex.jobs()] == [("_system/jobs:cancel", "success")]
    with pytest.raises(InvalidSchedule, match="is a query"):
        convex.run(schedule_by_reference, name="list")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("_system/job:list", " Did you mean '_system/jobs:list'?"),
        ("jobs:list", " `convexpy functions` lists them all."),
    ],
)
def test_a_hint_names_them_only_where_they_are_meant(convex: ConvexTest, name: str, hint: str) -> None:
    with pytest.raises(FunctionNotFound) as unknown:
        convex.call(name)
    assert unknown.value.message == f"there is no function {name!r}.{hint}"


@pytest.mark.parametrize("file", ["_system", "_system/__init__", "_system/jobs"])
def test_a_module_of_that_name_is_refused(package: Callable[..., str], file: str) -> None:
    name = package(orders=MUTATION, **{file: MUTATION})
    with pytest.raises(LoadError, match="the name '_system' is reserved for the framework's own functions"):
        ConvexTest(name).__enter__()


def test_that_name_deeper_in_the_package_is_the_users(package: Callable[..., str]) -> None:
    name = package(**{"plugins/_system": MUTATION})
    with ConvexTest(name) as convex:
        convex.call("plugins/_system:work")


def test_an_alias_of_that_name_is_refused(package: Callable[..., str]) -> None:
    name = package(orders=MUTATION.replace("@mutation", "@mutation(aliases=['_system/jobs:list'])"))
    with pytest.raises(LoadError, match=r"orders.py:\d+: .* '_system' is the framework's own"):
        ConvexTest(name).__enter__()

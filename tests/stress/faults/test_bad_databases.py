"""The database fails under a running app: locked by others, full, read-only. Nothing is half-written or lost."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp

import pytest

from . import checker
from .child_process import ChildProcess, CommandFailed, Died, Sandbox, wait_until
from .other_program import OtherProgram

BOUND_SECONDS = 60.0
NOBODY = 65534


def log_of(sandbox: Sandbox) -> str:
    return sandbox.database.with_suffix(".log").read_text()


def assert_all_is_well(sandbox: Sandbox, acknowledged: dict[str, int]) -> None:
    assert checker.judge(sandbox.database, sandbox.journal, acknowledged).broken == []


def test_jobs_wait_for_a_foreign_program_that_holds_the_lock(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path)
    settings = {"lock_timeout": 0.3, "mutation_retries": 1}
    with sandbox.child(settings=settings) as child:
        child.ready().call("work:order", label="order", pays=20, sends=5, children=1, delay=700)
        with OtherProgram(sandbox.database, "hold"):
            wait_until(lambda: "the database failed" in log_of(sandbox), "the dispatcher could not claim")
            with pytest.raises(CommandFailed, match="CONFLICT"):
                child.call("work:order", label="refused", pays=1)
        wait_until(lambda: checker.is_quiet(sandbox.database, 50), "all jobs are over", BOUND_SECONDS)
    assert_all_is_well(sandbox, {"order": 25})
    assert checker.states(sandbox.database, "refused/pay0") == []


def test_jobs_go_on_beside_a_foreign_program_that_writes_without_pause(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path)
    with sandbox.child() as child:
        child.ready()
        with OtherProgram(sandbox.database, "write") as other_program:
            child.call("work:order", label="order", pays=2, sends=1)
            wait_until(lambda: checker.is_quiet(sandbox.database, 3), "all jobs are over", 5 * BOUND_SECONDS)
    assert other_program.commits > 0
    assert_all_is_well(sandbox, {"order": 3})


def test_jobs_wait_while_the_disk_is_full(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path)
    with sandbox.child() as child:
        child.ready().call("work:order_held", label="order", gate="gate", holds=1, pays=30)
        wait_until(lambda: sandbox.lines("hold") != [], "the first mutation runs")
        fill_up(sandbox, child)
        child.open("gate")
        wait_until(lambda: "is tried again" in log_of(sandbox), "the engine has noticed")
        with pytest.raises(CommandFailed, match="INTERNAL_SERVER_ERROR"):
            child.call("work:order", label="refused", pays=500)
        child.ask("limit_files", -1)
        wait_until(lambda: checker.is_quiet(sandbox.database, 31), "all jobs are over", BOUND_SECONDS)
        child.call("work:order", label="later", pays=3, sends=1)
        wait_until(lambda: checker.is_quiet(sandbox.database, 35), "all jobs are over", BOUND_SECONDS)
    assert_all_is_well(sandbox, {"order": 31, "later": 4})


def fill_up(sandbox: Sandbox, child: ChildProcess) -> None:
    """From now on no file of the child grows beyond what the largest is now."""
    wal = sandbox.database.with_name(f"{sandbox.database.name}-wal")
    child.ask("limit_files", max(wal.stat().st_size, sandbox.database.stat().st_size))


def test_a_mutation_that_fills_the_disk_leaves_room_for_the_others(tmp_path: Path) -> None:
    sandbox, cure = Sandbox(tmp_path), tmp_path / "cure"
    with sandbox.child(environ={"FAULTS_CURE": str(cure)}) as child:
        child.ready().ask("limit_files", 4_000_000)
        child.call("bad:plan", function="bad:fills_the_disk", label="greedy", good=20)
        goods = "SELECT count(*) FROM effects WHERE label LIKE 'greedy/good%'"
        wait_until(lambda: checker.value(sandbox.database, goods) == 20, "the others are done", BOUND_SECONDS)
        assert checker.states(sandbox.database, "greedy") == ["pending"]
        assert checker.value(sandbox.database, "SELECT count(*) FROM uniques") == 0
        cure.touch()
        wait_until(lambda: checker.is_quiet(sandbox.database), "the cured job runs at last", BOUND_SECONDS)
    verdict = checker.judge(sandbox.database, sandbox.journal)
    assert (verdict.lost, verdict.doubled, verdict.stuck) == (0, 0, 0)


@pytest.fixture
def shared_sandbox() -> Iterator[Sandbox]:
    """A folder where a user that is not root can be shut out."""
    folder = Path(mkdtemp(prefix="faults-"))
    sandbox = Sandbox(folder)
    if os.getuid() == 0:
        for path in (folder, *folder.iterdir()):
            os.chown(path, NOBODY, NOBODY)
    yield sandbox
    shutil.rmtree(folder)


def allow_writing(sandbox: Sandbox, allowed: bool) -> None:
    folder = sandbox.database.parent
    for path in folder.glob("app.db*"):
        path.chmod(0o644 if allowed else 0o444)
    folder.chmod(0o755 if allowed else 0o555)


def test_jobs_wait_while_the_file_is_read_only(shared_sandbox: Sandbox) -> None:
    sandbox = shared_sandbox
    with sandbox.child(unprivileged=True) as child:
        child.ready().call("work:order", label="before", pays=2)
        wait_until(lambda: checker.is_quiet(sandbox.database, 2), "the first jobs are over", BOUND_SECONDS)
        # What is open stays writable for its process; a job that breaks the open connection makes it open another.
        breaks = "bad:makes_its_connection_read_only"
        child.call("work:order_held", label="order", gate="gate", holds=1, first=breaks, pays=10)
        wait_until(lambda: sandbox.lines("hold") != [], "the first mutation runs")
        allow_writing(sandbox, False)
        child.open("gate")
        wait_until(lambda: "is tried again" in log_of(sandbox), "the engine has noticed")
        with pytest.raises(Died), sandbox.child(unprivileged=True) as second:
            second.ready()
        assert "must be writable for this user" in log_of(sandbox)
        allow_writing(sandbox, True)
        wait_until(lambda: checker.is_quiet(sandbox.database, 14), "all jobs are over", BOUND_SECONDS)
    assert_all_is_well(sandbox, {"before": 2, "order": 12})

"""The database fails under a running app: locked by others, full, read-only. Nothing is half-written or lost."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp

import pytest

from . import checker
from .foreign import Foreigner
from .process import Died, Place, Refused, Running, wait_until

BOUND_SECONDS = 6.0
NOBODY = 65534


def log_of(place: Place) -> str:
    return place.database.with_suffix(".log").read_text()


def assert_all_is_well(place: Place, acknowledged: dict[str, int]) -> None:
    assert checker.judge(place.database, place.journal, acknowledged).broken == []


def test_jobs_wait_for_a_foreign_program_that_holds_the_lock(tmp_path: Path) -> None:
    place = Place(tmp_path)
    settings = {"lock_timeout": 0.3, "mutation_retries": 1}
    with place.child(settings=settings) as child:
        child.ready().call("work:order", label="order", pays=20, sends=5, children=1, delay=700)
        with Foreigner(place.database, "hold"):
            wait_until(lambda: "goes on in" in log_of(place), "the dispatcher could not claim")
            with pytest.raises(Refused, match="CONFLICT"):
                child.call("work:order", label="refused", pays=1)
        wait_until(lambda: checker.is_quiet(place.database, 50), "all jobs are over", BOUND_SECONDS)
    assert_all_is_well(place, {"order": 25})
    assert checker.states(place.database, "refused/pay0") == []


def test_jobs_go_on_beside_a_foreign_program_that_writes_without_pause(tmp_path: Path) -> None:
    place = Place(tmp_path)
    with place.child() as child:
        child.ready()
        with Foreigner(place.database, "write") as foreigner:
            child.call("work:order", label="order", pays=2, sends=1)
            wait_until(lambda: checker.is_quiet(place.database, 3), "all jobs are over", 5 * BOUND_SECONDS)
    assert foreigner.commits > 0
    assert_all_is_well(place, {"order": 3})


def test_jobs_wait_while_the_disk_is_full(tmp_path: Path) -> None:
    place = Place(tmp_path)
    with place.child() as child:
        child.ready().call("work:order_held", label="order", gate="gate", holds=1, pays=30)
        wait_until(lambda: place.lines("hold") != [], "the first mutation runs")
        fill_up(place, child)
        child.open("gate")
        wait_until(lambda: "is tried again" in log_of(place), "the engine has noticed")
        with pytest.raises(Refused, match="INTERNAL_SERVER_ERROR"):
            child.call("work:order", label="refused", pays=500)
        child.ask("limit_files", -1)
        wait_until(lambda: checker.is_quiet(place.database, 31), "all jobs are over", BOUND_SECONDS)
        child.call("work:order", label="later", pays=3, sends=1)
        wait_until(lambda: checker.is_quiet(place.database, 35), "all jobs are over", BOUND_SECONDS)
    assert_all_is_well(place, {"order": 31, "later": 4})


def fill_up(place: Place, child: Running) -> None:
    """From now on no file of the child grows beyond what the largest is now."""
    wal = place.database.with_name(f"{place.database.name}-wal")
    child.ask("limit_files", max(wal.stat().st_size, place.database.stat().st_size))


def test_a_mutation_that_fills_the_disk_leaves_room_for_the_others(tmp_path: Path) -> None:
    place, cure = Place(tmp_path), tmp_path / "cure"
    with place.child(environ={"FAULTS_CURE": str(cure)}) as child:
        child.ready().ask("limit_files", 4_000_000)
        child.call("bad:plan", function="bad:fills_the_disk", label="greedy", good=20)
        goods = "SELECT count(*) FROM effects WHERE label LIKE 'greedy/good%'"
        wait_until(lambda: checker.value(place.database, goods) == 20, "the others are done", BOUND_SECONDS)
        assert checker.states(place.database, "greedy") == ["pending"]
        assert checker.value(place.database, "SELECT count(*) FROM uniques") == 0
        cure.touch()
        wait_until(lambda: checker.is_quiet(place.database), "the cured job runs at last", BOUND_SECONDS)
    verdict = checker.judge(place.database, place.journal)
    assert (verdict.lost, verdict.doubled, verdict.stuck) == (0, 0, 0)


@pytest.fixture
def common_place() -> Iterator[Place]:
    """A folder where a user that is not root can be shut out."""
    folder = Path(mkdtemp(prefix="faults-"))
    place = Place(folder)
    if os.getuid() == 0:
        for path in (folder, *folder.iterdir()):
            os.chown(path, NOBODY, NOBODY)
    yield place
    shutil.rmtree(folder)


def allow_writing(place: Place, allowed: bool) -> None:
    folder = place.database.parent
    for path in folder.glob("app.db*"):
        path.chmod(0o644 if allowed else 0o444)
    folder.chmod(0o755 if allowed else 0o555)


def test_jobs_wait_while_the_file_is_read_only(common_place: Place) -> None:
    place = common_place
    with place.child(nobody=True) as child:
        child.ready().call("work:order", label="before", pays=2)
        wait_until(lambda: checker.is_quiet(place.database, 2), "the first jobs are over", BOUND_SECONDS)
        # What is open stays writable for its process; a job that breaks the open connection makes it open another.
        breaks = "bad:makes_its_connection_read_only"
        child.call("work:order_held", label="order", gate="gate", holds=1, first=breaks, pays=10)
        wait_until(lambda: place.lines("hold") != [], "the first mutation runs")
        allow_writing(place, False)
        child.open("gate")
        wait_until(lambda: "is tried again" in log_of(place), "the engine has noticed")
        with pytest.raises(Died), place.child(nobody=True) as second:
            second.ready()
        assert "must be writable for this user" in log_of(place)
        allow_writing(place, True)
        wait_until(lambda: checker.is_quiet(place.database, 14), "all jobs are over", BOUND_SECONDS)
    assert_all_is_well(place, {"before": 2, "order": 12})

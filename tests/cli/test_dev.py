"""``convexpy dev``: it is ready at once, and keeps running through every save."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage

import pytest

from .process import Process
from .shop import CRONS, Shop

LIBRARIES = "sqlalchemy.orm, pydantic, croniter, typer, watchfiles"
MOST_WORK = 3.5
"""Of the processor time that importing the libraries takes; `dev` with a first database and its end 1.5 to 2.3."""

SLOW = """
    import time
    from pathlib import Path

    from convexpy import MutationCtx, SyncActionCtx, internal_action, internal_mutation, mutation

    VERSION = "old"


    @mutation
    def begin(ctx: MutationCtx) -> None:
        ctx.schedule.now(wait_for_file)


    @internal_action
    def wait_for_file(ctx: SyncActionCtx) -> None:
        Path("started").touch()
        while not Path("go on").exists():
            time.sleep(0.01)
        Path(f"ended by {VERSION} code").touch()
"""


def dev(shop: Shop, *args: str) -> Process:
    process = Process(shop.root, "dev", *args)
    process.line("^ready in ")
    return process


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} did not appear"
        os.sched_yield()


@pytest.fixture
def versioned(shop: Shop) -> Shop:
    """With a query and a mutation that tell the version of the code."""
    (shop.root / "shop/orders.py").write_text(
        (shop.root / "shop/orders.py").read_text()
        + "\n\n@internal_mutation\ndef tell(ctx: MutationCtx) -> None:\n    print('version 1 tells', flush=True)\n"
        + "\n\n@mutation\ndef ask(ctx: MutationCtx) -> None:\n    ctx.schedule.now(tell)\n"
    )
    return shop


def test_the_banner_says_what_there_is_in_at_most_eight_lines(shop: Shop) -> None:
    with dev(shop) as process:
        text = "\n".join(process.lines)
        assert len([line for line in process.lines if not line.startswith("tables")]) <= 8
        for part in (
            ".convexpy/dev.db",
            "shop/",
            "pyproject.toml",
            "7 (5 public)",
            "1 cron",
            "convexpy run orders:",
            "Ctrl-C",
        ):
            assert part in text
        assert process.stop() == 0


def processor_seconds(work: Callable[[], object]) -> float:
    """What the child processes of some work took, user and system."""
    before = getrusage(RUSAGE_CHILDREN)
    work()
    after = getrusage(RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def test_being_ready_takes_little_more_work_than_importing_the_libraries(shop: Shop) -> None:
    def start_and_stop() -> None:
        with dev(shop) as process:
            assert process.stop() == 0

    def import_libraries() -> None:
        subprocess.run([sys.executable, "-c", f"import {LIBRARIES}"], check=True)

    # In pairs, one after the other: a machine that is slow now is slow for both.
    ratios = [processor_seconds(start_and_stop) / processor_seconds(import_libraries) for _ in range(3)]
    print(f"dev took {statistics.median(ratios):.1f} times as much as the libraries")
    assert statistics.median(ratios) < MOST_WORK


def test_the_development_database_is_hidden_from_git(shop: Shop) -> None:
    with dev(shop):
        assert (shop.root / ".convexpy/.gitignore").read_text() == "*\n"


def test_every_run_is_one_line_with_outcome_and_what_it_scheduled(shop: Shop) -> None:
    with dev(shop) as process:
        line = process.line("orders:mark")
        assert re.search(r"^\d\d:\d\d:\d\d mutation orders:mark  [\d.]+ \w+  failed  cron 'sweep'$", line)
        assert "NoResultFound" in process.line("^         ")
        assert process.line("^         .*shop/orders.py:").endswith("in mark")
        shop.change(
            "shop/orders.py",
            "def crash(ctx: MutationCtx) -> None:\n",
            "def crash(ctx: MutationCtx) -> None:\n"
            "    ctx.schedule.now(place, order_id='o1', delay_seconds=5)\n    return\n",
        )
        shop.change("shop/crons.py", 'mark, order_id="none", status="swept"', "crash")
        shop.change("shop/crons.py", "import mark", "import crash")
        shop.change("shop/crons.py", '"sweep"', '"break"')
        process.line("reloaded shop/crons.py")
        assert re.search(r"ok  cron 'break'  → orders:place now$", process.line("mutation orders:crash"))
        assert re.search(r"ok  → orders:charge in 5 s$", process.line("mutation orders:place"))


def test_a_save_is_live_at_once(versioned: Shop) -> None:
    with dev(versioned) as process:
        versioned.cli("run", "orders:ask")
        process.line("version 1 tells")
        took = []
        for version in range(2, 8):
            # Saves within one second and of the same size: Python's cached bytecode would hide them.
            saved = time.monotonic()
            versioned.change("shop/orders.py", f"version {version - 1}", f"version {version}")
            process.line("reloaded shop/orders.py")
            took.append(time.monotonic() - saved)
            versioned.cli("run", "orders:ask")
            process.line(f"version {version} tells")
        assert min(took) < 0.3


def test_a_new_file_is_found_and_a_deleted_one_forgotten(shop: Shop) -> None:
    late = "from convexpy import QueryCtx, query\n\n\n@query\ndef one(ctx: QueryCtx) -> int:\n    return 1\n"
    with dev(shop) as process:
        shop.write("shop/late.py", late + "\n\nsyntax error\n")
        process.line("shop/late.py:9")
        shop.write("shop/late.py", late)
        process.line("all is well again, 8 functions")
        shop.write("shop/deeper/later.py", late)
        process.line("reloaded shop/deeper")
        (shop.root / "shop/late.py").write_text("syntax error\n")
        process.line("shop/late.py:1")
        (shop.root / "shop/late.py").unlink()
        process.line("all is well again, 8 functions")  # the deeper one is there, this one is gone


def test_after_a_broken_save_the_last_good_version_goes_on_until_the_next_good_one(versioned: Shop) -> None:
    good = (versioned.root / "shop/orders.py").read_text()
    with dev(versioned) as process:
        versioned.change("shop/orders.py", "def tell(ctx: MutationCtx) -> None:", "def tell(ctx: MutationCtx) -> None")
        process.line("the app cannot be loaded")
        process.line(r"shop/orders.py:\d+: SyntaxError")
        process.line("def tell")
        assert process.line(r"\^").strip() == "^"
        process.line("the last good version keeps running")
        versioned.write("shop/orders.py", good)  # for the command below; dev sees it as the good save
        process.line("reloaded shop/orders.py in .*: all is well again, 9 functions, 1 cron")
        versioned.cli("run", "orders:ask")
        process.line("version 1 tells")


def test_what_is_scheduled_still_runs_with_the_good_code_while_the_new_one_is_broken(versioned: Shop) -> None:
    versioned.write("shop/words.py", "WORD = 'good'\n")
    versioned.change(
        "shop/orders.py", "    print('version 1 tells'", "    from .words import WORD\n    print(WORD, 'code'"
    )
    with dev(versioned) as process:
        with versioned.convex() as convex:  # loaded from the good code, before it is broken
            versioned.write("shop/words.py", "WORD = (\n")
            process.line("the last good version keeps running")
            convex.call("orders:ask")
        process.line("^good code$")


def test_running_work_goes_on_through_a_reload_with_its_own_code(shop: Shop) -> None:
    shop.write("shop/slow.py", SLOW)
    with dev(shop) as process:
        shop.cli("run", "slow:begin")
        wait_for(shop.root / "started")
        shop.change("shop/slow.py", '"old"', '"new"')
        process.line("reloaded shop/slow.py")
        (shop.root / "go on").touch()
        process.line("slow:wait_for_file .* ok")
        assert (shop.root / "ended by old code").exists()


def test_an_app_that_is_broken_from_the_start_is_waited_for(shop: Shop) -> None:
    broken = shop.write("shop/broken.py", "x = (\n")
    with Process(shop.root, "dev") as process:
        process.line("shop/broken.py:1")
        process.line("waiting for a save that loads")
        broken.write_text("x = (1\n")
        process.line("waiting for a save that loads")
        broken.write_text("x = ()\n")
        process.line("^functions  7")
        process.line("^ready in")
        process.line("reloaded shop/broken.py in .*: all is well again")
        assert process.stop() == 0


def test_tables_follow_the_models_on_every_save(shop: Shop) -> None:
    with dev(shop) as process:
        assert "tables     add table orders" in process.lines
        shop.change("shop/models.py", "    status:", "    note: Mapped[str | None]\n    status:")
        process.line(r"^tables     add column orders\.note")
        process.line("reloaded shop/models.py")


def test_nothing_that_loses_data_happens_without_somebody_to_ask(shop: Shop) -> None:
    with dev(shop) as process:
        shop.cli("run", "orders:place", '{"order_id": "o1"}')
        shop.change("shop/models.py", '    status: Mapped[str] = mapped_column(default="new")\n', "")
        process.line(r"^not done   drop column orders\.status")
        process.line("asks about it when it is started in a terminal")
    with closing(sqlite3.connect(shop.root / ".convexpy/dev.db")) as connection:
        assert connection.execute("SELECT status FROM orders").fetchall() == [("new",)]


def test_models_that_the_rows_forbid_keep_the_version_before(shop: Shop) -> None:
    with dev(shop) as process:
        shop.cli("run", "orders:place", '{"order_id": "o1"}')
        shop.change("shop/models.py", "    status:", "    note: Mapped[str]\n    status:")
        process.line("the tables cannot follow the models")
        process.line(r"cannot add column orders\.note")
        process.line("the last good version keeps running")


def test_tables_that_cannot_follow_from_the_start_are_waited_for(ready_shop: Shop) -> None:
    ready_shop.cli("run", "orders:place", '{"order_id": "o1"}')
    ready_shop.change("shop/models.py", "    status:", "    note: Mapped[str]\n    status:")
    with Process(ready_shop.root, "dev") as process:
        process.line(r"cannot add column orders\.note")
        process.line("waiting for a save that loads")
        ready_shop.change("shop/models.py", "    note: Mapped[str]\n", "    note: Mapped[str | None]\n")
        process.line(r"^tables     add column orders\.note")
        process.line("^ready in")


def test_changed_settings_are_taken_over(shop: Shop) -> None:
    with dev(shop) as process:
        shop.write("pyproject.toml", '[tool.convexpy]\nfunctions = "shop"\nmin_cron_intervall = 5\n')
        process.line("pyproject.toml:3: .*Did you mean 'min_cron_interval'")
        shop.write("pyproject.toml", '[tool.convexpy]\nfunctions = "shop"\nmin_cron_interval = 1\n')
        process.line("reloaded pyproject.toml in .*: all is well again")
        shop.change("shop/crons.py", "hours=2", "seconds=1")
        process.line("reloaded shop/crons.py")
        process.line("mutation orders:mark")
        process.line("mutation orders:mark")
        assert process.stop() == 0


def test_settings_that_are_put_back_are_well_again_and_code_saved_with_them_is_taken(shop: Shop) -> None:
    good = (shop.root / "pyproject.toml").read_text()
    with dev(shop) as process:
        shop.write("pyproject.toml", "[tool.convexpy]\n")
        process.line("`functions` is not set")
        shop.write("pyproject.toml", good)
        shop.write("shop/late.py", "")
        process.line("all is well again")
        if not any("reloaded shop/late.py" in line for line in process.lines):
            process.line("reloaded shop/late.py")


def test_changed_settings_do_not_drop_what_runs(shop: Shop) -> None:
    shop.write("shop/slow.py", SLOW)
    with dev(shop) as process:
        shop.cli("run", "slow:begin")
        wait_for(shop.root / "started")
        shop.write("pyproject.toml", '[tool.convexpy]\nfunctions = "shop"\nretention = 60\n')
        process.line("reloaded pyproject.toml")
        process.process.send_signal(signal.SIGTERM)
        process.line("^stopping: ")
        (shop.root / "go on").touch()
        process.line("slow:wait_for_file .* ok")
        process.line("^stopped$")


def test_another_package_name_needs_a_restart_and_says_so(shop: Shop) -> None:
    with dev(shop) as process:
        shop.write("pyproject.toml", '[tool.convexpy]\nfunctions = "other"\n')
        process.line("restart `convexpy dev`")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_stops_cleanly_when_asked(shop: Shop, number: signal.Signals) -> None:
    with dev(shop) as process:
        assert process.stop(number) == 0
        process.line("^stopping: ")
        process.line("^stopped$")


def test_it_lets_what_runs_finish_before_it_stops(shop: Shop) -> None:
    shop.write("shop/slow.py", SLOW)
    with dev(shop) as process:
        shop.cli("run", "slow:begin")
        wait_for(shop.root / "started")
        process.process.send_signal(signal.SIGTERM)
        process.line("^stopping: ")
        (shop.root / "go on").touch()
        process.line("slow:wait_for_file .* ok")
        process.line("^stopped$")
        assert process.process.wait(20) == 0


def test_the_second_request_stops_it_at_once(shop: Shop) -> None:
    shop.write("shop/slow.py", SLOW)
    with dev(shop) as process:
        shop.cli("run", "slow:begin")
        wait_for(shop.root / "started")
        process.process.send_signal(signal.SIGINT)
        process.line("^stopping: ")
        deadline = time.monotonic() + 20
        while process.process.poll() is None:
            assert time.monotonic() < deadline
            process.process.send_signal(signal.SIGINT)
            os.sched_yield()
        assert process.process.returncode == -signal.SIGINT


def test_a_missing_package_ends_it_with_the_reason(shop: Shop) -> None:
    shop.write("pyproject.toml", '[tool.convexpy]\nfunctions = "shoop"\n')
    with Process(shop.root, "dev") as process:
        process.line("there is no package 'shoop'")
        assert process.process.wait(20) == 1


def test_a_file_that_is_no_database_ends_it_with_the_reason(shop: Shop) -> None:
    notes = shop.write("notes.db", "my notes\n" * 1000)
    with Process(shop.root, "dev", "--database", "sqlite:///notes.db") as process:
        process.line("notes.db: .*not a database")
        assert process.process.wait(20) == 1
    assert notes.read_text() == "my notes\n" * 1000


def test_a_folder_that_cannot_hold_the_database_ends_it_with_the_reason(shop: Shop) -> None:
    (shop.root / ".convexpy").write_text("a file in the way")
    with Process(shop.root, "dev") as process:
        process.line("the folder for the development database cannot be made")
        assert process.process.wait(20) == 1


def test_the_folder_can_be_named(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> None:
    with Process(tmp_path_factory.mktemp("elsewhere"), "dev", str(shop.root)) as process:
        process.line("^ready in ")
        assert process.stop() == 0
    assert (shop.root / ".convexpy/dev.db").exists()


def test_a_crons_file_without_crons_is_a_warning(shop: Shop) -> None:
    shop.write("shop/crons.py", "")
    with dev(shop) as process:
        assert any(line.startswith("warning: ") and "no Crons object" in line for line in process.lines)
        shop.write("shop/crons.py", CRONS)
        process.line("mutation orders:mark")


def test_an_app_of_one_file_is_reloaded_too(shop: Shop) -> None:
    shop.write("pyproject.toml", '[tool.convexpy]\nfunctions = "app"\n')
    shop.write(
        "app.py", "from convexpy import QueryCtx, query\n\n\n@query\ndef one(ctx: QueryCtx) -> int:\n    return 1\n"
    )
    with dev(shop) as process:
        assert "try        convexpy run app:one" in process.lines
        shop.change("app.py", "one", "two")
        process.line("reloaded app.py")
        shop.write("unrelated.py", "")
        shop.change("app.py", "two", "three")
        assert "unrelated" not in process.line("reloaded")


def test_models_beside_the_package_of_functions_are_reloaded_with_it(shop: Shop) -> None:
    shop.write("pyproject.toml", '[tool.convexpy]\nfunctions = "shop.functions"\n')
    shop.write("shop/functions/__init__.py", "")
    (shop.root / "shop/crons.py").unlink()
    (shop.root / "shop/orders.py").rename(shop.root / "shop/functions/orders.py")
    shop.change("shop/functions/orders.py", "from .models", "from ..models")
    with dev(shop) as process:
        shop.change("shop/models.py", "    status:", "    note: Mapped[str | None]\n    status:")
        process.line(r"^tables     add column orders\.note")
        process.line("reloaded shop/models.py")
        shop.change("shop/models.py", "    status:", "    more: Mapped[str | None]\n    status:")
        process.line(r"^tables     add column orders\.more")


def test_a_base_that_another_package_defines_survives_a_reload(shop: Shop) -> None:
    shop.write(
        "elsewhere.py",
        "from sqlalchemy.orm import DeclarativeBase\n\n\nclass Base(DeclarativeBase):\n    pass\n",
    )
    models = (shop.root / "shop/models.py").read_text()
    models = models.replace("import DeclarativeBase, ", "import ").replace(
        "class Base(DeclarativeBase):\n    pass\n", ""
    )
    (shop.root / "shop/models.py").write_text("from elsewhere import Base\n" + models)
    with dev(shop) as process:
        shop.change("shop/models.py", "    status:", "    note: Mapped[str | None]\n    status:")
        process.line(r"^tables     add column orders\.note")
        process.line("reloaded shop/models.py")
        shop.write("shop/broken.py", "x = (\n")
        process.line("the last good version keeps running")
        (shop.root / "shop/broken.py").unlink()
        process.line("all is well again")


def test_tables_that_revisions_keep_are_left_to_them(ready_shop: Shop) -> None:
    ready_shop.cli("db", "revision", "-m", "orders")
    assert ready_shop.cli("db", "upgrade", "--adopt").exit_code == 0
    with dev(ready_shop) as process:
        ready_shop.change("shop/models.py", "    status:", "    note: Mapped[str | None]\n    status:")
        process.line(r"^not done   add column orders\.note")
        process.line("convexpy db revision")
        process.line("reloaded shop/models.py")

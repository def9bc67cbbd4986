"""``convexpy dev`` runs through every save: the last good version runs until a save loads."""

from __future__ import annotations

import signal
import time

import pytest

from .development import SLOW, dev, wait_for
from .process import Process
from .shop import Shop


@pytest.fixture
def versioned(shop: Shop) -> Shop:
    """With a query and a mutation that tell the version of the code."""
    (shop.root / "shop/orders.py").write_text(
        (shop.root / "shop/orders.py").read_text()
        + "\n\n@internal_mutation\ndef tell(ctx: MutationCtx) -> None:\n    print('version 1 tells', flush=True)\n"
        + "\n\n@mutation\ndef ask(ctx: MutationCtx) -> None:\n    ctx.schedule.now(tell)\n"
    )
    return shop


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
        assert min(took) < 0.7  # the best of six: a pause within the reload shows, a busy machine does not


def test_a_save_imports_every_module_once(shop: Shop) -> None:
    once = "from pathlib import Path\n\nwith Path('imports').open('a') as file:\n    file.write('version 1\\n')\n"
    shop.write("shop/counted.py", once)
    with dev(shop) as process:
        for version in (2, 3):
            shop.change("shop/counted.py", f"version {version - 1}", f"version {version}")
            process.line("reloaded shop/counted.py")
    assert (shop.root / "imports").read_text().splitlines() == ["version 1", "version 2", "version 3"]


def test_a_module_that_exits_ends_nothing(versioned: Shop) -> None:
    versioned.write("shop/script.py", "import sys\n\nsys.exit('bye')\n")
    with Process(versioned.root, "dev") as process:  # from the start
        process.line(r"shop/script.py:3: SystemExit: bye")
        process.line("waiting for a save that loads")
        versioned.write("shop/script.py", "")
        process.line("^ready in ")
        versioned.write("shop/script.py", "import sys\nsys.exit()\n")  # and on a save
        process.line(r"shop/script.py:2: SystemExit")
        process.line("the last good version keeps running")
        versioned.write("shop/script.py", "")
        process.line("the app loads again")
        versioned.cli("run", "orders:ask")
        process.line("version 1 tells")


def test_a_new_file_is_found_and_a_deleted_one_forgotten(shop: Shop) -> None:
    late = "from convexpy import QueryCtx, query\n\n\n@query\ndef one(ctx: QueryCtx) -> int:\n    return 1\n"
    with dev(shop) as process:
        shop.write("shop/late.py", late + "\n\nsyntax error\n")
        process.line("shop/late.py:9")
        shop.write("shop/late.py", late)
        process.line("the app loads again, 8 functions")
        shop.write("shop/deeper/later.py", late)
        process.line("reloaded shop/deeper")
        (shop.root / "shop/late.py").write_text("syntax error\n")
        process.line("shop/late.py:1")
        (shop.root / "shop/late.py").unlink()
        process.line("the app loads again, 8 functions")  # the deeper one is there, this one is gone


def test_after_a_broken_save_the_last_good_version_keeps_running(versioned: Shop) -> None:
    good = (versioned.root / "shop/orders.py").read_text()
    with dev(versioned) as process:
        versioned.change("shop/orders.py", "def tell(ctx: MutationCtx) -> None:", "def tell(ctx: MutationCtx) -> None")
        process.line("the app cannot be loaded")
        process.line(r"shop/orders.py:\d+: SyntaxError")
        process.line("def tell")
        assert process.line(r"\^").strip() == "^"
        process.line("the last good version keeps running")
        versioned.write("shop/orders.py", good)  # for the command below; dev sees it as the good save
        process.line("reloaded shop/orders.py in .*: the app loads again, 9 functions, 1 cron")
        versioned.cli("run", "orders:ask")
        process.line("version 1 tells")


def test_jobs_run_with_the_good_code_while_the_new_code_is_broken(versioned: Shop) -> None:
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
        process.line("reloaded shop/broken.py in .*: the app loads again")
        assert process.stop() == 0


def test_changed_settings_are_taken_over(shop: Shop) -> None:
    with dev(shop) as process:
        shop.write("pyproject.toml", '[tool.convexpy]\nfunctions = "shop"\nmin_cron_intervall = 5\n')
        process.line("pyproject.toml:3: .*Did you mean 'min_cron_interval'")
        shop.write("pyproject.toml", '[tool.convexpy]\nfunctions = "shop"\nmin_cron_interval = 1\n')
        process.line("reloaded pyproject.toml in .*: the app loads again")
        shop.change("shop/crons.py", "hours=2", "seconds=1")
        process.line("reloaded shop/crons.py")
        process.line("mutation orders:mark")
        process.line("mutation orders:mark")
        assert process.stop() == 0


def test_restored_settings_are_valid_and_code_saved_with_them_is_loaded(shop: Shop) -> None:
    good = (shop.root / "pyproject.toml").read_text()
    with dev(shop) as process:
        shop.write("pyproject.toml", "[tool.convexpy]\n")
        process.line("`functions` is not set")
        shop.write("pyproject.toml", good)
        shop.write("shop/late.py", "")
        process.line("the app loads again")
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
        process.line("the app loads again")

"""``convexpy codegen ts`` writes the types once or on every save, and `dev` keeps them in step."""

from __future__ import annotations

from .development import dev
from .process import Process
from .shop import Shop

OUT = "web/convex"


def test_types_are_written_and_left_alone_if_they_are_up_to_date(shop: Shop) -> None:
    assert "types: web/convex: wrote api.d.ts, api.js in " in shop.cli("codegen", "ts", OUT).stdout
    before = (shop.root / OUT / "api.d.ts").stat().st_mtime_ns
    assert "types: web/convex: up to date\n" in shop.cli("codegen", "ts", OUT).stdout
    assert (shop.root / OUT / "api.d.ts").stat().st_mtime_ns == before
    assert "statuses: FunctionReference<" in (shop.root / OUT / "api.d.ts").read_text()


def test_the_settings_say_where_and_in_which_case(shop: Shop) -> None:
    assert shop.cli("codegen", "ts").exit_code == 2
    shop.change("pyproject.toml", 'functions = "shop"', f'functions = "shop"\ncodegen = "{OUT}"\nnames = "camel"')
    assert shop.cli("codegen", "ts").exit_code == 0
    assert "orderId: string" in (shop.root / OUT / "api.d.ts").read_text()


def test_a_folder_that_cannot_be_written_is_a_failure(shop: Shop) -> None:
    shop.write("web", "a file")
    failed = shop.cli("codegen", "ts", OUT)
    assert failed.exit_code == 1
    assert "the types cannot be written" in failed.stderr


def test_dev_keeps_the_types_in_step(shop: Shop) -> None:
    shop.change("pyproject.toml", 'functions = "shop"', f'functions = "shop"\ncodegen = "{OUT}"')
    with dev(shop) as process:
        assert "order_id: string; delay_seconds?: number" in (shop.root / OUT / "api.d.ts").read_text()
        shop.change("shop/orders.py", "def whoami(ctx: QueryCtx) -> str | None:", "def whoami(ctx: QueryCtx) -> str:")
        process.line("types: web/convex: wrote api.d.ts in ")
        assert process.stop() == 0


def test_watch_writes_again_on_a_save(shop: Shop) -> None:
    with Process(shop.root, "codegen", "ts", OUT, "--watch") as process:
        process.line("types: web/convex: wrote api.d.ts, api.js in ")
        shop.change("shop/orders.py", "def whoami(", "def who_am_i(")
        process.line("types: web/convex: wrote api.d.ts in ")
        assert process.stop() == 0
    assert "who_am_i: " in (shop.root / OUT / "api.d.ts").read_text()

"""``convexpy check`` and ``convexpy functions``: what the app is, and what is wrong with it."""

from __future__ import annotations

import json

import pytest

from .shop import Shop


def test_an_app_in_order_is_ok_and_nothing_is_written(shop: Shop) -> None:
    before = shop.files()
    result = shop.cli("check")
    assert (result.exit_code, result.stdout) == (0, "ok: 7 functions, 1 cron\n")
    assert shop.files() == before


def test_every_problem_is_reported_with_file_and_line(shop: Shop) -> None:
    shop.write("shop/a.py", "x = (\n")
    shop.write("shop/b.py", "\nimport no_such_module\n")
    result = shop.cli("check")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "shop/a.py:1: SyntaxError" in result.stderr
    assert (
        "shop/b.py:2: ModuleNotFoundError: No module named 'no_such_module'\n      import no_such_module"
        in result.stderr
    )


def test_a_problem_that_two_modules_meet_is_reported_once(shop: Shop) -> None:
    shop.change("shop/orders.py", "from datetime import timedelta\n", "from datetime import timedelta (\n")
    assert shop.cli("check").stderr.count("SyntaxError") == 1


def test_a_broken_crons_file_is_reported(shop: Shop) -> None:
    shop.change("shop/crons.py", "timedelta(hours=2)", "timedelta(seconds=2)")
    result = shop.cli("check")
    assert result.exit_code == 1
    assert "shop/crons.py:9: cron 'sweep'" in result.stderr


def test_the_json_form_has_file_line_and_message(shop: Shop) -> None:
    shop.write("shop/b.py", "\nimport no_such_module\n")
    result = shop.cli("check", "--json")
    document = json.loads(result.stdout)
    assert (result.exit_code, document["ok"]) == (1, False)
    (problem,) = document["problems"]
    assert problem["file"].endswith("shop/b.py")
    assert problem["line"] == 2
    assert problem["message"].startswith("ModuleNotFoundError")


def test_an_ok_app_is_ok_in_json_too(shop: Shop) -> None:
    assert json.loads(shop.cli("check", "--json").stdout) == {"ok": True, "problems": [], "warnings": []}


def test_a_public_function_run_by_a_cron_is_a_warning(shop: Shop) -> None:
    shop.change("shop/orders.py", "@internal_mutation\ndef mark", "@mutation\ndef mark")
    result = shop.cli("check")
    assert result.exit_code == 0
    assert "warning: shop/crons.py:9: cron 'sweep' runs 'orders:mark', which is public" in result.stdout
    assert "internal_mutation" in result.stdout
    assert len(json.loads(shop.cli("check", "--json").stdout)["warnings"]) == 1


def test_a_misnamed_crons_file_is_a_warning(shop: Shop) -> None:
    (shop.root / "shop/crons.py").rename(shop.root / "shop/cron.py")
    result = shop.cli("check")
    assert result.exit_code == 0
    assert "Rename this file to crons.py" in result.stdout


def test_wrong_settings_are_problems_too(shop: Shop) -> None:
    shop.write("pyproject.toml", '[tool.convexpy]\nfunctions = "shop"\nretain = 5\n')
    result = shop.cli("check")
    assert result.exit_code == 1
    assert "pyproject.toml:3" in result.stderr
    assert json.loads(shop.cli("check", "--json").stdout)["problems"][0]["line"] == 3


def test_two_sets_of_tables_are_a_problem(shop: Shop) -> None:
    shop.write("shop/more.py", (shop.root / "shop/models.py").read_text())
    result = shop.cli("check")
    assert result.exit_code == 1
    assert "more than one MetaData" in result.stderr


def test_an_unknown_package_is_a_problem(shop: Shop) -> None:
    shop.write("pyproject.toml", '[tool.convexpy]\nfunctions = "shoop"\n')
    result = shop.cli("check")
    assert result.exit_code == 1
    assert "there is no package 'shoop'" in result.stderr


def test_an_action_of_the_wrong_colour_is_a_problem_with_its_line(shop: Shop) -> None:
    shop.change("shop/orders.py", "ctx: SyncActionCtx", "ctx: ActionCtx")
    shop.change("shop/orders.py", "    action,\n", "    ActionCtx,\n    action,\n")
    result = shop.cli("check")
    assert result.exit_code == 1
    assert "charge" in result.stderr
    assert "shop/orders.py:" in result.stderr


def test_functions_are_listed_with_kind_visibility_arguments_and_place(shop: Shop) -> None:
    lines = shop.cli("functions").stdout.splitlines()
    assert lines[0].split() == ["FUNCTION", "KIND", "VISIBILITY", "ARGUMENTS", "PLACE"]
    charge, place = lines[1], next(line for line in lines if "orders:place" in line)
    assert charge.split() == ["orders:charge", "action", "internal", "order_id:", "str", "shop/orders.py:28"]
    assert "order_id: str, delay_seconds: float = 3600" in place


def test_functions_in_json_carry_their_schemas(shop: Shop) -> None:
    listed = json.loads(shop.cli("functions", "--json").stdout)
    place = next(function for function in listed if function["name"] == "orders:place")
    assert (place["kind"], place["visibility"]) == ("mutation", "public")
    assert place["arguments"]["required"] == ["order_id"]
    assert place["result"] == {"type": "string"}


@pytest.mark.parametrize("command", ["functions", "check"])
def test_these_commands_need_no_database(shop: Shop, command: str) -> None:
    shop.write("pyproject.toml", '[tool.convexpy]\nfunctions = "shop"\ndatabase = "sqlite:////proc/none/x.db"\n')
    assert shop.cli(command).exit_code == 0

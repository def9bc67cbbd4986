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


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("import sys\n\nsys.exit(3)\n", "shop/a.py:3: SystemExit: 3. It would end every command"),
        ("import sys\n\nsys.exit()\n", "shop/a.py:3: SystemExit. It would end every command"),
        ("import argparse\nargparse.ArgumentParser().parse_args(['--x'])\n", "shop/a.py:2: SystemExit: 2. It would"),
        ("import asyncio\nraise asyncio.CancelledError('no')\n", "shop/a.py:2: CancelledError: no"),
        ("class Mine(BaseException): ...\nraise Mine('no')\n", "shop/a.py:2: Mine: no"),
        ("import json\njson.loads('x')\n", "shop/a.py:2: JSONDecodeError"),
        ("from convexpy import ConvexError\n\nConvexError('x')\n", "shop/a.py:3: ValueError: 'x' is not an error code"),
    ],
)
def test_whatever_a_module_raises_is_a_problem_at_its_line(shop: Shop, text: str, problem: str) -> None:
    shop.write("shop/a.py", text)
    shop.write("shop/b.py", "import no_such_module\n")
    result = shop.cli("check")
    assert (result.exit_code, result.stdout) == (1, "")
    assert problem in result.stderr
    assert "shop/b.py:1: ModuleNotFoundError" in result.stderr  # the modules after it are loaded all the same


def test_an_exit_of_the_package_itself_is_a_problem_of_it(shop: Shop) -> None:
    shop.write("shop/__init__.py", "raise SystemExit('bye')\n")
    result = shop.cli("check")
    assert result.exit_code == 1
    assert "shop/__init__.py:1: SystemExit: bye" in result.stderr


def test_an_exit_where_metadata_points_to_is_a_problem_as_well(shop: Shop) -> None:
    shop.write("tables.py", "\nraise SystemExit(3)\n")
    shop.write("pyproject.toml", '[tool.convexpy]\nfunctions = "shop"\nmetadata = "tables:Base"\n')
    result = shop.cli("check")
    assert result.exit_code == 1
    assert "tables.py:2: SystemExit: 3" in result.stderr


def test_code_of_an_annotation_that_raises_is_a_problem_at_its_line(shop: Shop) -> None:
    shop.write(
        "shop/a.py",
        """
        from convexpy import QueryCtx, query


        class Mine:
            @classmethod
            def __get_pydantic_core_schema__(cls, source, handler):
                raise SystemExit("no schema")


        @query
        def mine(ctx: QueryCtx, value: Mine) -> None: ...
        """,
    )
    result = shop.cli("check")
    assert result.exit_code == 1
    assert "shop/a.py:8: SystemExit: no schema" in result.stderr


def test_ctrl_c_while_a_module_loads_is_no_problem_of_the_module(shop: Shop) -> None:
    shop.write("shop/a.py", "raise KeyboardInterrupt\n")
    assert shop.cli("check").exit_code == 130


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


def test_a_package_in_src_has_to_be_installed(shop: Shop) -> None:
    shop.write("pyproject.toml", '[tool.convexpy]\nfunctions = "store"\n')
    shop.write("src/store/__init__.py", "")
    result = shop.cli("check")
    assert result.exit_code == 1
    assert "it is in src/. Install your project, so that it can be imported: pip install -e ." in result.stderr


def test_a_folder_without_a_project_is_a_problem(shop: Shop) -> None:
    (shop.root / "pyproject.toml").unlink()
    result = shop.cli("check", "--project", str(shop.root))
    assert result.exit_code == 1
    assert f"{shop.root}: there is no pyproject.toml in this folder or above" in result.stderr


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

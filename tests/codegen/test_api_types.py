"""The text of ``api.d.ts``: names, nesting and comments, the same whenever it is written."""

from __future__ import annotations

import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, Field

from convexpy import QueryCtx, internal_query, query
from convexpy.codegen.api_types import api_types
from convexpy.codegen.written_files import write_typescript
from convexpy.functions.registry import Registry


def functions_of(**places: list[Any]) -> list[Any]:
    """Functions by their place: ``plugins__email`` is the module ``plugins/email``."""
    modules = {}
    for place, members in places.items():
        module = modules[place.replace("__", "/")] = types.ModuleType(place)
        for member in members:
            setattr(module, member.__name__, member)
    return list(Registry(modules).functions.values())


class Record(BaseModel):
    """The name of a type of TypeScript's own."""

    value: int = 0
    with_space: str = Field(alias="with space")


class Node(BaseModel):
    name: str
    best_child: Node | None = None
    child_nodes: list[Node] = []


def make(name: str, result: Any, hidden: bool = False) -> Any:
    def handler(ctx: QueryCtx, first_name: str = "") -> Any: ...

    handler.__name__ = name
    handler.__annotations__["return"] = result
    return (internal_query if hidden else query)(handler)


def test_folders_and_modules_nest_as_the_client_names_them() -> None:
    text = api_types(functions_of(plugins__email=[make("send", int)], plugins=[make("email", str)], a=[make("b", int)]))
    api = text.partition("api: ")[2]
    arguments = "{ first_name?: string }"
    assert api == (
        "{\n"
        "  a: {\n"
        f'    b: FunctionReference<"query", "public", {arguments}, number>;\n'
        "  };\n"
        "  plugins: {\n"
        f'    email: FunctionReference<"query", "public", {arguments}, string> & {{\n'
        f'      send: FunctionReference<"query", "public", {arguments}, number>;\n'
        "    };\n"
        "  };\n"
        "};\n"
    )


def test_only_public_functions_and_the_types_they_use_are_written() -> None:
    text = api_types(functions_of(a=[make("shown", int), make("hidden", Node, hidden=True)]))
    assert "shown" in text
    assert "hidden" not in text
    assert "Node" not in text


def test_a_name_that_typescript_has_itself_gets_another_one() -> None:
    text = api_types(functions_of(a=[make("records", list[Record])]))
    assert "/** The name of a type of TypeScript's own. */\nexport interface Record2 {\n" in text
    assert '  "with space": string;\n' in text
    assert ", Record2[]>" in text


def test_a_type_may_refer_to_itself() -> None:
    text = api_types(functions_of(a=[make("tree", Node)]))
    declared = "interface Node {\n  name: string;\n  best_child: Node | null;\n  child_nodes: Node[];\n}\n"
    assert declared in text


def test_names_are_in_camel_case_if_the_settings_say_so() -> None:
    text = api_types(functions_of(my_tools=[make("read_tree", Node)], a=[make("records", Record)]), camel=True)
    for line in ("myTools: {", "readTree: F", "{ firstName?: string }", "bestChild: Node", "childNodes: Node[]"):
        assert line in text
    assert '"with space"' in text


def test_what_has_no_json_schema_is_any() -> None:
    def handler(ctx: QueryCtx, callback: Callable[[], None]) -> Any: ...

    assert "{ callback: any }, any>" in api_types(functions_of(a=[query(handler)]))


def test_an_app_without_public_functions_has_an_empty_api() -> None:
    assert api_types([]).endswith("export declare const api: {\n};\n")


@pytest.mark.parametrize("order", [1, -1])
def test_the_order_of_the_functions_makes_no_difference(order: int) -> None:
    found = functions_of(b=[make("two", Node), make("one", Record)], a=[make("three", Node)])
    assert api_types(found[::order]) == api_types(found)


def test_files_are_written_only_if_they_changed(tmp_path: Path) -> None:
    folder = tmp_path / "web" / "convex"
    first, second = functions_of(a=[make("one", int)]), functions_of(a=[make("two", int)])
    assert [path.name for path in write_typescript(folder, first)] == ["api.d.ts", "api.js"]
    assert write_typescript(folder, first) == []
    assert write_typescript(folder, second) == [folder / "api.d.ts"]
    assert sorted(path.name for path in folder.iterdir()) == ["api.d.ts", "api.js"]

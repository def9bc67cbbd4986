"""The two files of a TypeScript client: ``api.d.ts`` with the types of the public functions, and ``api.js``.

They are what `convex/server` calls an api: references to functions, from which the official client takes the types of
arguments and results.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, cast

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue
from pydantic_core import CoreSchema

from ..functions.declare import Visibility
from ..functions.names import outside_function, with_camel_names
from ..functions.registry import AnyFunction
from .typescript import INDENT, TypeScriptTypes, comment, key

WRITTEN: Final = "// Written by `convexpy codegen ts` from the Python functions: changes are lost when it runs again.\n"
API_JS: Final = f"""{WRITTEN}
import {{ anyApi }} from "convex/server";

export const api = anyApi;
"""


@dataclass
class Module:
    """A module of the app, or a folder: its functions and its modules."""

    functions: dict[str, AnyFunction] = field(default_factory=dict)
    modules: dict[str, Module] = field(default_factory=dict)


class ClientSchemas(GenerateJsonSchema):
    """Schemas as a client needs them.

    A field with a default is always there in a result, and one that tells the members of a union apart in arguments
    too: TypeScript cannot tell them apart by what may be absent.
    """

    ignored_warning_kinds = frozenset({"skipped-choice", "non-serializable-default"})  # type: ignore[assignment]

    def field_is_required(self, field: Any, total: bool) -> bool:
        if field["type"] == "typed-dict-field" or field.get("serialization_exclude_if") is not None:
            return super().field_is_required(field, total)
        return self.mode == "serialization" or field["schema"]["type"] != "default" or is_tag(field["schema"])

    def typed_dict_schema(self, schema: Any) -> JsonSchemaValue:
        made = super().typed_dict_schema(schema)
        if made.get("additionalProperties") is False:  # as an argument, and so it would differ from the same result
            del made["additionalProperties"]
        return made

    def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> JsonSchemaValue:
        return {}  # it may be anything


def api_types(functions: Iterable[AnyFunction], *, camel: bool = False) -> str:
    """The text of ``api.d.ts``. The same functions give the same text.

    Args:
        functions: The functions of an app. Only public ones are written.
        camel: Whether names are camelCase for clients.
    """
    public = [each for each in functions if each.visibility is Visibility.PUBLIC]
    public.sort(key=lambda function: function.name)
    inputs: list[tuple[str, JsonSchemaMode, CoreSchema]] = []
    for function in public:
        inputs.append((function.name, "validation", function.arguments.adapter.core_schema))
        inputs.append((function.name, "serialization", function.result.adapter.core_schema))
    if camel:
        inputs = [(name, mode, cast("CoreSchema", with_camel_names(schema))) for name, mode, schema in inputs]
    schemas, definitions = ClientSchemas(ref_template="{model}").generate_definitions(inputs)
    types = TypeScriptTypes(cast("dict[str, JsonSchemaValue]", definitions))
    types.imports.add("FunctionReference")

    def reference(function: AnyFunction, depth: int) -> str:
        arguments = types.arguments(schemas[function.name, "validation"], depth)
        result = types.type_of(schemas[function.name, "serialization"], depth)
        return f'FunctionReference<"{function.kind}", "public", {arguments}, {result}>'

    api = "".join(members(tree_of(public, camel), reference, 1))
    declarations = "".join(f"{each}\n\n" for each in types.declarations())
    imports = f'import type {{ {", ".join(sorted(types.imports))} }} from "convex/server";\n\n'
    return f"{WRITTEN}\n{imports}{declarations}export declare const api: {{\n{api}}};\n"


def is_tag(schema: Any) -> bool:
    """Whether a field with a default can have this value only."""
    inner = schema["schema"]
    return inner["type"] == "literal" and len(inner["expected"]) == 1


def tree_of(functions: Iterable[AnyFunction], camel: bool) -> Module:
    """The functions as an api nests them: ``plugins/email:send`` is ``api.plugins.email.send``."""
    root = Module()
    for function in functions:
        place, _, name = outside_function(function.name, camel).partition(":")
        module = root
        for part in place.split("/"):
            module = module.modules.setdefault(part, Module())
        module.functions[name] = function
    return root


def members(module: Module, reference: Callable[[AnyFunction, int], str], depth: int) -> Iterator[str]:
    """The lines of a module's functions and modules. A function may have the name of a module beside it."""
    indent = INDENT * depth
    for name in sorted({*module.functions, *module.modules}):
        function, inner = module.functions.get(name), module.modules.get(name)
        parts = []
        if function is not None:
            yield comment(inspect.getdoc(function.handler) or "", indent)
            parts.append(reference(function, depth))
        if inner is not None:
            parts.append(f"{{\n{''.join(members(inner, reference, depth + 1))}{indent}}}")
        yield f"{indent}{key(name)}: {' & '.join(parts)};\n"

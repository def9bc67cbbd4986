"""``/openapi.json``: the public functions and the routes of the app that is loaded now, as OpenAPI 3.1."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterable
from importlib.metadata import version
from typing import Any, Final, Literal
from urllib.parse import quote

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from ..functions.declare import Visibility
from ..functions.http_routes import PARAMETER, AnyRoute
from ..functions.load import App
from ..functions.names import outside_function, with_camel_names
from ..functions.registry import AnyFunction
from .backend import Backend

Document = dict[str, Any]
Mode = Literal["validation", "serialization"]

REFERENCE: Final = "#/components/schemas/{model}"
FORMATS: Final = ["json", "convex_encoded_json"]
SECURITY: Final[list[Document]] = [{}, {"token": []}]
"""A call is anonymous, or has a token."""
WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})

COMPONENTS: Final[Document] = {
    "convexpy.FunctionError": {
        "description": "What a function answers that failed. `errorData` is there if the error is for clients.",
        "type": "object",
        "required": ["status", "errorMessage", "logLines"],
        "properties": {
            "status": {"const": "error"},
            "errorMessage": {"type": "string"},
            "errorData": {
                "type": "object",
                "required": ["code", "message"],
                "properties": {"code": {"type": "string"}, "message": {"type": "string"}, "data": {}},
            },
            "logLines": {"type": "array", "items": {"type": "string"}},
        },
    },
    "convexpy.Refusal": {
        "description": "What is no answer of a function: a malformed request, a bad token, too much load.",
        "type": "object",
        "required": ["code", "message"],
        "properties": {"code": {"type": "string"}, "message": {"type": "string"}},
    },
}


class SchemaGenerator(GenerateJsonSchema):
    """Makes the schemas. What has none may be anything: a document with a gap is better than no document."""

    def __init__(self) -> None:
        super().__init__(by_alias=True, ref_template=REFERENCE)
        self.ignored_warning_kinds = {"skipped-choice", "non-serializable-default", "skipped-discriminator"}

    def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> JsonSchemaValue:
        """The schema of a type that has none."""
        return {}


class OpenApi:
    """The endpoint. The document is made once for each version of the app."""

    def __init__(self, backend: Backend) -> None:
        self._calls = backend.calls
        self._camel = backend.settings.names == "camel"
        self._made: tuple[App, str, bytes] | None = None

    async def document(self, request: Request) -> Response:
        """``GET /openapi.json``."""
        app, address = self._calls.app, request.scope.get("root_path", "")
        if self._made is None or self._made[0] is not app or self._made[1] != address:
            made = await asyncio.to_thread(document_of, app, address, self._camel)
            self._made = app, address, to_json(made)
        return Response(self._made[2], media_type="application/json", headers={"cache-control": "no-cache"})


def document_of(app: App, address: str, camel: bool) -> Document:
    """The document of an app.

    Args:
        app: With the functions and the routes.
        address: The path below which it is served.
        camel: Whether names are camelCase outside.
    """
    public = [each for each in app.registry.functions.values() if each.visibility is Visibility.PUBLIC]
    schemas, definitions = schemas_of(public, camel)
    paths: Document = {}
    for function in public:
        name = outside_function(function.name, camel)
        arguments, result = schemas[function.name, "validation"], schemas[function.name, "serialization"]
        operation = function_operation(function, name, arguments, result)
        paths["/api/run/" + quote(name.replace(":", "/"))] = {"post": operation}
    for route in app.registry.routes:
        path = PARAMETER.sub(lambda found: f"{{{found['name']}}}", route.path)
        paths.setdefault(path, {})[route.method.lower()] = route_operation(route)
    return {
        "openapi": "3.1.0",
        "info": {"title": next(iter(app.modules)), "version": version("convexpy")},
        "servers": [{"url": address or "/"}],
        "paths": paths,
        "components": {
            "schemas": {**definitions, **COMPONENTS},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def schemas_of(functions: Iterable[AnyFunction], camel: bool) -> tuple[dict[tuple[str, str], Document], Document]:
    """The schemas of arguments and results, and those that they refer to, each under a name of its own."""
    inputs: list[tuple[str, Mode, Any]] = []
    outside: Callable[[Any], Any] = with_camel_names if camel else lambda schema: schema
    for each in functions:
        inputs.append((each.name, "validation", outside(each.arguments.adapter.core_schema)))
        inputs.append((each.name, "serialization", outside(each.result.adapter.core_schema)))
    made, definitions = SchemaGenerator().generate_definitions(inputs)
    named: Document = dict(definitions.items())
    schemas: dict[tuple[str, str], Document] = {(str(name), mode): schema for (name, mode), schema in made.items()}
    for (name, mode), schema in schemas.items():
        if mode == "validation" and "$ref" in schema:  # the arguments of one function are nobody else's
            schemas[name, mode] = named.pop(schema["$ref"].rpartition("/")[2])
    return schemas, named


def function_operation(function: AnyFunction, name: str, arguments: Document, result: Document) -> Document:
    """How a function is called."""
    body: Document = {
        "type": "object",
        "properties": {"args": arguments, "format": {"enum": FORMATS, "default": FORMATS[0]}},
        "required": ["args"] if arguments.get("required") else [],
    }
    success: Document = {
        "type": "object",
        "required": ["status", "value"],
        "properties": {"status": {"const": "success"}, "value": result},
    }
    return {
        **described(function),
        "operationId": name,
        "tags": [name.partition(":")[0]],
        "x-convex-kind": str(function.kind),
        "security": SECURITY,
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "responses": {
            "200": answer(
                "The result, or the error of the function", {"oneOf": [success, refer("convexpy.FunctionError")]}
            ),
            "default": answer("The request was refused", refer("convexpy.Refusal")),
        },
    }


def route_operation(route: AnyRoute) -> Document:
    """How a route is called."""
    schema = route.arguments.json_schema()
    named: list[str] = [found["name"] for found in PARAMETER.finditer(route.path)]
    operation: Document = {
        **described(route),
        "operationId": route.name,
        "tags": [route.name.partition(":")[0]],
        "security": SECURITY,
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": schema["properties"][name]} for name in named
        ],
        "responses": {
            "default": {"description": "What the handler answers"},
            "4XX": answer("The request was refused", refer("convexpy.Refusal")),
        },
    }
    if route.method in WITH_BODY:
        operation["requestBody"] = {"content": {"*/*": {}}}
    return operation


def described(function: AnyFunction) -> Document:
    """The docstring: its first line, and the rest."""
    summary, _, rest = inspect.cleandoc(function.__doc__ or "").partition("\n")
    found = {"summary": summary.strip(), "description": rest.strip()}
    return {key: text for key, text in found.items() if text}


def answer(description: str, schema: Document) -> Document:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def refer(name: str) -> Document:
    return {"$ref": REFERENCE.format(model=name)}

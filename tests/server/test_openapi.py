"""``/openapi.json``: what is public, with schemas that hold."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel
from support.http_client import HttpClient, served

from convexpy import ActionCtx, MutationCtx, QueryCtx, Settings, internal_query, mutation, query
from convexpy.web import Request, Response, http_route

ME = __name__


class Author(BaseModel):
    full_name: str


class Message(BaseModel):
    """What was said."""

    sent_at: datetime
    author: Author
    reply_to: Message | None = None


@query
def list_messages(ctx: QueryCtx, channel: str, most_recent: int = 10) -> list[Message]:
    """The messages of a channel.

    The newest come first.
    """
    return []


@mutation
def send(ctx: MutationCtx, message: Message) -> None: ...


@query
def anything(ctx: QueryCtx, odd: Any = object, choice: Literal["a"] | datetime | None = None) -> Any: ...


@mutation
def touch(ctx: MutationCtx) -> None: ...


@internal_query
def hidden(ctx: QueryCtx) -> str:
    return ""


@http_route("POST", "/hooks/{account}/{rest:path}")
async def hook(ctx: ActionCtx, request: Request, account: int, rest: str) -> Response:
    """A hook."""
    return Response()


@http_route("GET", "/hooks/{account}/{rest:path}")
async def read_hook(ctx: ActionCtx, request: Request, account: int, rest: str) -> Response:
    return Response()


def document_of(client: HttpClient) -> Any:
    response = client.get("/openapi.json")
    assert response.headers["content-type"] == "application/json"
    return response.json()


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with served(sys.modules[ME], tmp_path_factory.mktemp("served")) as (_, client):
        yield document_of(client)


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        node = list(node.values())
    if isinstance(node, list):
        for each in node:
            yield from references(each)


def test_every_public_function_has_an_address(document: Any) -> None:
    assert document["openapi"] == "3.1.0"
    assert set(document["paths"]) == {
        f"/api/run/{ME}/list_messages",
        f"/api/run/{ME}/send",
        f"/api/run/{ME}/touch",
        f"/api/run/{ME}/anything",
        "/hooks/{account}/{rest}",
    }


def test_an_operation_has_schemas_and_what_its_docstring_says(document: Any) -> None:
    operation = document["paths"][f"/api/run/{ME}/list_messages"]["post"]
    assert operation["operationId"] == f"{ME}:list_messages"
    assert (operation["summary"], operation["description"]) == ("The messages of a channel.", "The newest come first.")
    body = operation["requestBody"]["content"]["application/json"]["schema"]
    assert body["required"] == ["args"]
    assert set(body["properties"]["args"]["properties"]) == {"channel", "most_recent"}
    assert body["properties"]["args"]["required"] == ["channel"]
    success, failure = operation["responses"]["200"]["content"]["application/json"]["schema"]["oneOf"]
    assert success["properties"]["value"] == {"type": "array", "items": {"$ref": "#/components/schemas/Message-Output"}}
    assert failure["$ref"].endswith("FunctionError")
    touch = document["paths"][f"/api/run/{ME}/touch"]["post"]
    assert touch["requestBody"]["content"]["application/json"]["schema"]["required"] == []


def test_a_route_has_its_parameters(document: Any) -> None:
    methods = document["paths"]["/hooks/{account}/{rest}"]
    assert set(methods) == {"get", "post"}
    assert [(each["name"], each["in"], each["schema"]["type"]) for each in methods["post"]["parameters"]] == [
        ("account", "path", "integer"),
        ("rest", "path", "string"),
    ]
    assert "requestBody" not in methods["get"]


def test_every_reference_leads_somewhere(document: Any) -> None:
    found = set(references(document))
    assert "#/components/schemas/Author" in found
    for reference in found:
        assert reference.removeprefix("#/components/schemas/") in document["components"]["schemas"]


def test_names_are_those_outside(tmp_path: Path) -> None:
    with served(sys.modules[ME], tmp_path, Settings(names="camel")) as (_, client):
        document = document_of(client)
        operation = document["paths"][f"/api/run/{camel(ME)}/listMessages"]["post"]
        arguments = operation["requestBody"]["content"]["application/json"]["schema"]["properties"]["args"]
        assert set(arguments["properties"]) == {"channel", "mostRecent"}
        assert set(document["components"]["schemas"]["Message-Output"]["properties"]) == {"sentAt", "author", "replyTo"}
        called = client.post(f"/api/run/{camel(ME)}/listMessages", json={"args": {"channel": "a", "mostRecent": 1}})
        assert called.json() == {"status": "success", "value": []}


def camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


@pytest.mark.long
def test_the_document_is_valid(document: Any) -> None:
    validator = pytest.importorskip("openapi_spec_validator", reason="pip install openapi-spec-validator")
    validator.validate(document)

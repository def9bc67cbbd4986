"""``HttpApi``: the functions of an app over HTTP, as Convex's clients call them."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Any, Final, TypeVar

from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from ..database.requests import LONGEST_SESSION, RequestKey
from ..errors import ConvexError, InternalError, Overloaded
from ..functions.declare import Kind
from ..functions.encoding import clean_json
from ..runtime.call import Call
from .access_log import request_of
from .backend import Backend
from .envelope import RAISED, Described, describe, log_failure
from .function_request import FunctionRequest, check_is_json, parse_object, parse_value
from .large_texts import work_on
from .principal import Principal
from .refusal import NO_RESULTS, Refused, bad_request, refusal_of

T = TypeVar("T")

LONGEST_KEY: Final = LONGEST_SESSION - len("http:")


class HttpApi:
    """The endpoints of ``/api/…`` that call functions."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._calls = backend.calls
        self._settings = backend.settings

    async def query(self, request: Request) -> Response:
        """``POST /api/query``."""
        return await self._post(request, Kind.QUERY)

    async def mutation(self, request: Request) -> Response:
        """``POST /api/mutation``."""
        return await self._post(request, Kind.MUTATION)

    async def action(self, request: Request) -> Response:
        """``POST /api/action``."""
        return await self._post(request, Kind.ACTION)

    async def any_function(self, request: Request) -> Response:
        """``POST /api/function``: a function of any kind, for the admin key."""
        document, principal = await self._document(request), await self._principal(request)
        if not principal.is_admin:
            raise Refused(403, "BadAdminKey", "this address takes an admin key")
        return await self._answer(request, FunctionRequest.of(document), principal, None)

    async def run(self, request: Request) -> Response:
        """``POST /api/run/messages/list``: a function of any kind, named by the address."""
        *modules, name = request.path_params["path"].split("/")
        if not modules or not all((*modules, name)):
            raise bad_request("the address is /api/run/MODULE/FUNCTION", "BadConvexFunctionIdentifier")
        wanted = FunctionRequest.of(await self._document(request), path=f"{'/'.join(modules)}:{name}")
        return await self._answer(request, wanted, await self._principal(request), None)

    async def get_query(self, request: Request) -> Response:
        """``GET /api/query?path=…&args=…&format=…``."""
        document: dict[str, Any] = dict(request.query_params)
        if "args" in document:
            document["args"] = parse_value(document["args"], self._settings)
        wanted = FunctionRequest.of(document)
        return await self._answer(request, wanted, await self._principal(request), Kind.QUERY)

    async def query_batch(self, request: Request) -> Response:
        """``POST /api/query_batch``: several queries on one snapshot."""
        document, principal = await self._document(request), await self._principal(request)
        listed = document.get("queries")
        if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
            raise bad_request("`queries` is missing: a list of objects with `path` and `args`")
        if len(listed) > self._settings.max_socket_queries:
            raise bad_request(f"there are more than {self._settings.max_socket_queries} queries", "TooManyQueries")
        envelopes = await self._together(request, [FunctionRequest.of(each) for each in listed], principal)
        return json_response(b'{"results":[' + b",".join(envelopes) + b"]}")

    async def query_ts(self, request: Request) -> Response:
        """``POST /api/query_ts``: a timestamp for ``/api/query_at_ts``."""
        return json_response(to_json({"ts": timestamp(time.time_ns())}))

    async def query_at_ts(self, request: Request) -> Response:
        """``POST /api/query_at_ts``: a query on a snapshot that is as new as the timestamp, or newer."""
        document = await self._document(request)
        if not is_timestamp(document.get("ts")):
            raise bad_request("`ts` is missing: what /api/query_ts answered")
        wanted = FunctionRequest.of(document)
        return await self._answer(request, wanted, await self._principal(request), Kind.QUERY)

    async def debug_event(self, request: Request) -> Response:
        """``POST /api/debug_event``: what a client reports about itself, which is dropped."""
        return Response(status_code=200)

    async def _post(self, request: Request, kind: Kind) -> Response:
        wanted = FunctionRequest.of(await self._document(request))
        return await self._answer(request, wanted, await self._principal(request), kind)

    async def _document(self, request: Request) -> dict[str, Any]:
        check_is_json(request.headers.get("content-type"))
        body = await request.body()
        return await work_on(len(body), lambda: parse_object(body, self._settings))

    async def _principal(self, request: Request) -> Principal:
        return await self._backend.auth.of_request(request)

    async def _answer(
        self, request: Request, wanted: FunctionRequest, principal: Principal, kind: Kind | None
    ) -> Response:
        """Call a function, and say in the envelope of Convex what came of it."""
        try:
            bound = await self._bind(request, wanted, principal, kind)
            key = request_key(request) if bound.function.kind is Kind.MUTATION else None
            call = replace(bound, request=request_of(request.scope), request_key=key)
            if self._calls.threads_of(principal.admin).has_room():
                value = await self._calls.run_for_client(call)
            else:
                value = await while_connected(request, lambda still: self._calls.run_for_client(call, still))
        except RAISED as error:
            return json_response(self._failed(request, wanted, error))
        return json_response(success(value, wanted))

    async def _together(self, request: Request, wanted: list[FunctionRequest], principal: Principal) -> list[bytes]:
        """The envelopes of several queries."""
        envelopes: dict[int, bytes] = {}
        calls: dict[int, Call] = {}
        for index, each in enumerate(wanted):
            try:
                call = await self._bind(request, each, principal, Kind.QUERY)
                calls[index] = replace(call, request=request_of(request.scope))
            except ConvexError as error:
                envelopes[index] = self._failed(request, each, error)
        try:
            runs = await while_connected(request, lambda still: self._calls.run_together(list(calls.values()), still))
        except (InternalError, Overloaded) as error:
            raise refusal_of(error) from error
        for index, run in zip(calls, runs, strict=True):
            if run.error is not None:
                envelopes[index] = self._failed(request, wanted[index], run.error)
            else:
                envelopes[index] = success(run.value, wanted[index])
        return [envelopes[index] for index in range(len(wanted))]

    async def _bind(self, request: Request, wanted: FunctionRequest, principal: Principal, kind: Kind | None) -> Call:
        bind = partial(self._calls.bind_client, kind=kind, admin=principal.admin)
        size = len(await request.body())
        return await work_on(size, lambda: bind(wanted.path, wanted.arguments, principal.identity))

    def _failed(self, request: Request, wanted: FunctionRequest, error: BaseException) -> bytes:
        """The envelope of an error, which is logged if it is the server's.

        Raises:
            Refused: It is no result of the function.
        """
        if isinstance(error, Refused):
            raise error
        request_id = request_of(request.scope)
        log_failure(error, request_id, wanted.path)
        if isinstance(error, NO_RESULTS):
            raise refusal_of(error) from error
        return failure(describe(error, request_id, debug=self._settings.debug), wanted)


def request_key(request: Request) -> RequestKey | None:
    """What a client calls its request, so that a mutation runs once however often it is sent.

    Raises:
        Refused: 400, it cannot be a key.
    """
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    if not 0 < len(key) <= LONGEST_KEY or not key.isprintable():
        raise bad_request(f"Idempotency-Key is a text of 1 to {LONGEST_KEY} characters", "BadIdempotencyKey")
    return RequestKey(f"http:{key}", 0)


async def while_connected(request: Request, run: Callable[[Callable[[], bool]], Awaitable[T]]) -> T:
    """Run a call that asks, before it begins, whether the client is still connected."""
    left = asyncio.ensure_future(disconnected(request))
    try:
        return await run(lambda: not left.done())
    finally:
        left.cancel()


async def disconnected(request: Request) -> None:
    """Wait until the client has left. Its body is complete already."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def success(value: bytes, wanted: FunctionRequest) -> bytes:
    """The envelope of a result."""
    value = value if wanted.is_encoded else clean_json(value)
    return b'{"status":"success","value":' + value + b"}"


def failure(described: Described, wanted: FunctionRequest) -> bytes:
    """The envelope of an error."""
    data = b""
    if described.data is not None:
        data = b',"errorData":' + (described.data if wanted.is_encoded else clean_json(described.data))
    return b'{"status":"error","errorMessage":' + to_json(described.message) + data + b',"logLines":[]}'


def json_response(body: bytes) -> Response:
    return Response(body, media_type="application/json", headers={"cache-control": "no-store"})


def timestamp(nanoseconds: int) -> str:
    """A time as the clients pass it on: 64 bits, the least significant byte first, in base64."""
    return base64.b64encode(nanoseconds.to_bytes(8, "little")).decode()


def is_timestamp(text: object) -> bool:
    try:
        return isinstance(text, str) and len(base64.b64decode(text, validate=True)) == 8
    except ValueError:
        return False

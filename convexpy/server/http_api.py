"""``HttpApi``: the functions of an app over HTTP, as Convex's clients call them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from ..errors import InternalError, Overloaded, WriteConflict
from ..functions.declare import Kind
from ..runtime.call import Call, RequestId
from .backend import Backend
from .envelope import Described, describe, log_failure
from .function_request import FunctionRequest, check_is_json, parse_object, parse_value
from .principal import Principal
from .refusal import Refused, bad_request
from .values import result_bytes

TRY_AGAIN = "Your request couldn't be completed. Try again later."


class HttpApi:
    """The endpoints of ``/api/…`` that call functions."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
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
        principal = await self._principal(request)
        if not principal.is_admin:
            raise Refused(403, "BadAdminKey", "this address takes an admin key")
        return await self._answer(FunctionRequest.of(await self._document(request)), principal, None)

    async def run(self, request: Request) -> Response:
        """``POST /api/run/messages/list``: a function of any kind, named by the address."""
        *modules, name = request.path_params["path"].split("/")
        if not modules:
            raise bad_request("the address is /api/run/MODULE/FUNCTION", "BadConvexFunctionIdentifier")
        wanted = FunctionRequest.of(await self._document(request), path=f"{'/'.join(modules)}:{name}")
        return await self._answer(wanted, await self._principal(request), None)

    async def get_query(self, request: Request) -> Response:
        """``GET /api/query?path=…&args=…&format=…``."""
        document: dict[str, Any] = dict(request.query_params)
        if "args" in document:
            document["args"] = parse_value(document["args"], self._settings)
        return await self._answer(FunctionRequest.of(document), await self._principal(request), Kind.QUERY)

    async def _post(self, request: Request, kind: Kind) -> Response:
        wanted = FunctionRequest.of(await self._document(request))
        return await self._answer(wanted, await self._principal(request), kind)

    async def _document(self, request: Request) -> dict[str, Any]:
        check_is_json(request.headers.get("content-type"))
        return parse_object(await request.body(), self._settings)

    async def _principal(self, request: Request) -> Principal:
        return await self._backend.auth.from_header(request.headers.get("authorization"))

    async def _answer(self, wanted: FunctionRequest, principal: Principal, kind: Kind | None) -> Response:
        """Call a function, and say in the envelope of Convex what came of it."""
        request_id = RequestId()
        try:
            call = replace(self._bind(wanted, principal, kind), request=request_id)
            value = await self._run(call)
        except Exception as error:
            log_failure(error, request_id, wanted.path)
            if isinstance(error, InternalError | Overloaded):
                raise refusal_of(error) from error
            return json_response(failure(describe(error, request_id, debug=self._settings.debug)))
        return json_response(success(result_bytes(value, is_encoded=wanted.is_encoded)))

    def _bind(self, wanted: FunctionRequest, principal: Principal, kind: Kind | None) -> Call:
        arguments = wanted.arguments
        if isinstance(arguments, list) and len(arguments) == 1:
            arguments = arguments[0]
        return self._backend.calls.bind_public(wanted.path, arguments, principal.identity)

    async def _run(self, call: Call) -> Any:
        return await self._backend.calls.run_for_client(call)


def success(value: bytes) -> bytes:
    """The envelope of a result."""
    return b'{"status":"success","value":' + value + b"}"


def failure(described: Described) -> bytes:
    """The envelope of an error."""
    data = b"" if described.data is None else b',"errorData":' + described.data
    return b'{"status":"error","errorMessage":' + to_json(described.message) + data + b',"logLines":[]}'


def json_response(body: bytes) -> Response:
    return Response(body, media_type="application/json", headers={"cache-control": "no-store"})


def refusal_of(error: InternalError | Overloaded) -> Refused:
    """What failed before or after the function itself: the same call may succeed later."""
    if isinstance(error, Overloaded):
        return Refused(503, "TooManyConcurrentRequests", error.message)
    if isinstance(error, WriteConflict):
        return Refused(503, "OptimisticConcurrencyControlFailure", TRY_AGAIN)
    return Refused(500, "InternalServerError", TRY_AGAIN)

"""Routes, typed. Both checkers must find nothing wrong in this file."""

from typing import assert_type

from good_calls import get_order, process_order
from starlette.responses import JSONResponse, StreamingResponse

from convexpy import ActionCtx, SyncActionCtx
from convexpy.web import Request, Response, http_route


@http_route("POST", "/webhooks/{account}")
async def webhook(ctx: ActionCtx, request: Request, account: str) -> Response:
    assert_type(await request.body(), bytes)
    await ctx.run_mutation(process_order, order_id=account)
    return Response(status_code=204)


@http_route("GET", "/orders/{order_id}/{rest:path}")
def show(ctx: SyncActionCtx, request: Request, order_id: str, rest: str) -> JSONResponse:
    assert_type(request.content, bytes)
    return JSONResponse(ctx.run_query(get_order, order_id=order_id).status)


@http_route("GET", "/stream")
async def stream(ctx: ActionCtx, request: Request) -> StreamingResponse:
    return StreamingResponse(iter(()))


async def tested(ctx: ActionCtx, sync_ctx: SyncActionCtx, request: Request) -> None:
    assert_type(await webhook(ctx, request, account="a1"), Response)
    assert_type(show(sync_ctx, request, order_id="o1", rest=""), Response)

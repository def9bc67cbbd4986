"""The page, at `/`."""

from pathlib import Path

from convexpy import ActionCtx
from convexpy.web import Request, Response, http_route

PAGE = Path(__file__).with_name("page.html")


@http_route("GET", "/")
async def page(ctx: ActionCtx, request: Request) -> Response:
    return Response(PAGE.read_bytes(), media_type="text/html")

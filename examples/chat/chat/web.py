"""The page, at `/`."""

from pathlib import Path

from convexpy import ActionCtx
from convexpy.web import Request, Response, http_route

PAGE = Path(__file__).with_name("page")
TYPES = {"chat.css": "text/css", "chat.js": "text/javascript"}


@http_route("GET", "/")
async def index(ctx: ActionCtx, request: Request) -> Response:
    return Response((PAGE / "index.html").read_bytes(), media_type="text/html")


@http_route("GET", "/page/{name}")
async def file(ctx: ActionCtx, request: Request, name: str) -> Response:
    if name not in TYPES:
        return Response("Not found", status_code=404)
    return Response((PAGE / name).read_bytes(), media_type=TYPES[name], headers={"cache-control": "no-cache"})

"""The lines that ``convexpy dev`` prints when it is ready."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .check import count
from .output import one_line, to_json

if TYPE_CHECKING:
    from sqlalchemy import URL

    from ..functions.load import App
    from ..functions.registry import AnyFunction
    from ..project import Project


def banner(project: Project, app: App, url: URL, package: Path, address: str) -> Iterator[str]:
    """The database, what is watched, the number of functions and crons, a call to try, how to stop, and the address."""
    public = sum(function.visibility == "public" for function in app.registry.functions.values())
    yield f"database   {shown_database(url, project.root)}, kept between runs"
    yield f"watching   {shown_path(package, project.root)}{'/' if package.is_dir() else ''} and pyproject.toml"
    yield f"functions  {len(app.registry.functions)} ({public} public), {count(len(app.crons.definitions), 'cron')}"
    example = next((call for function in by_interest(app) if (call := example_call(function))), None)
    if example is not None:
        yield f"try        {example}"
    yield "stop       Ctrl-C"
    if project.settings.dashboard:
        yield f"dashboard  {dashboard_of(address)}"
    yield f"address    {address}"


def dashboard_of(address: str) -> str:
    """Where the dashboard of a server is."""
    return f"{address.rstrip('/')}/dashboard/"


def shown_database(url: URL, root: Path) -> str:
    """The database, without its password."""
    if url.get_backend_name() == "sqlite" and url.database:
        return f"SQLite {shown_path(Path(url.database), root)}"
    from ..database.url import shown_url

    return shown_url(url)


def shown_path(path: Path, root: Path) -> str:
    """A path, relative to the project if it is inside."""
    return str(path.relative_to(root) if path.is_relative_to(root) else path)


def by_interest(app: App) -> list[AnyFunction]:
    """Public mutations without middleware first: those show the most, and need no user."""
    kinds = ("mutation", "query", "action")

    def interest(function: AnyFunction) -> tuple[bool, bool, int, str, int]:
        line = function.handler.__code__.co_firstlineno  # the first function of a file comes first
        is_internal, has_middleware = function.visibility != "public", bool(function.middleware)
        return is_internal, has_middleware, kinds.index(function.kind), function.handler.__module__, line

    return sorted(app.registry.functions.values(), key=interest)


def example_call(function: AnyFunction) -> str | None:
    """A command line that calls the function. None if its arguments are too complex for an example."""
    schema = function.arguments_schema
    properties, required = schema.get("properties", {}), schema.get("required", [])
    try:
        values = {name: example_value(properties[name]) for name in required}
    except LookupError:
        return None
    arguments = to_json(values)
    if "'" in arguments:
        return None
    return f"convexpy run {one_line(function.name)}" + (f" '{arguments}'" if values else "")


def example_value(schema: dict[str, Any]) -> Any:
    """A value that fits a simple schema. Raises LookupError for others."""
    for given in ("examples", "enum"):
        if schema.get(given):
            return schema[given][0]
    if schema.keys() & {"format", "pattern"}:
        raise LookupError(schema)
    simple = {"string": "tea", "integer": 1, "number": 1, "boolean": True, "null": None}
    value = simple[schema["type"]]
    return max(value, schema.get("minimum", value)) if schema["type"] in ("integer", "number") else value

"""``convexpy key``: make, list and revoke admin keys."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from .arguments import HERE, DatabaseOption, JsonOption, ProjectOption
from .failure import Failure
from .opening import opened
from .output import relative, say, show_json, show_table

key = typer.Typer(help="Make, list and revoke admin keys.", no_args_is_help=True)


@key.command()
def new(
    label: Annotated[str, typer.Argument(metavar="[NAME]", help="The same as --name.", show_default=False)] = "",
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="What the key is for, at most 100 letters.")] = "",
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Make a key that may call queries, and nothing that changes anything.")
    ] = False,
    project: ProjectOption = HERE,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make an admin key and print it, this once: the database keeps a digest of it."""
    from .._system import keys as system
    from ..database.admin_keys import new_key

    made = new_key()
    with opened(project, database) as convex:
        stored = convex.run(system.new, key_id=made.id, digest=made.digest, name=label or name, read_only=read_only)
    if as_json:
        show_json({**stored.to_json(), "key": made.text})
        return
    say(made.text)
    say(f"This is shown once. `convexpy key revoke {made.id}` ends it.", style="dim", to_stderr=True)


@key.command("list")
def list_keys(project: ProjectOption = HERE, database: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """List the admin keys that are accepted: ids and names, never the keys."""
    from .._system import keys as system

    with opened(project, database) as convex:
        found = convex.run(system.list)
    if as_json:
        show_json([each.to_json() for each in found])
        return
    now = datetime.now(UTC)
    rows = [(each.id, each.name, relative(each.created_time, now), "yes" * each.read_only) for each in found]
    show_table(("ID", "NAME", "CREATED", "READ-ONLY"), rows, "No keys.")


@key.command()
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="The key's id.")],
    project: ProjectOption = HERE,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Revoke an admin key: no server accepts it from now on."""
    from .._system import keys as system

    with opened(project, database) as convex:
        found = convex.run(system.revoke, key_id=key_id)
    if found is None:
        raise Failure(f"there is no key {key_id!r}", "`convexpy key list` lists the ids of all keys.")
    if as_json:
        show_json(found.to_json())
    else:
        say(f"revoked {found.id}" + (f" ({found.name})" if found.name else ""))

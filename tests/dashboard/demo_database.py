"""A database with the tea shop's rows and history."""

from __future__ import annotations

import shutil
from pathlib import Path

from sqlalchemy import Connection, insert

from convexpy import Convex
from convexpy.database.admin_keys import NewKey, new_key
from convexpy.database.tables import admin_keys

from .failures import FAILING, run_samples
from .figures import write_figures
from .history import History
from .hostile import write_hostile
from .past_jobs import write_jobs
from .shop_rows import MATCHA, write_shop

PROJECT = Path(__file__).parent / "project"


def copy_project(folder: Path) -> Path:
    """The project in a folder of its own, where it keeps its database."""
    ignored = shutil.ignore_patterns(".convexpy", "__pycache__", ".*_cache")
    return Path(shutil.copytree(PROJECT, folder / "teashop", ignore=ignored))


def fill(project: Path, database: str | None, number: int, *, hostile: bool = False) -> None:
    """Make the tables of a project's database, and fill them with a history of about so many jobs.

    Args:
        project: The folder of the project.
        database: The URL of the database. None: the project's own.
        number: How many jobs, about.
        hostile: Whether there are also texts that could be taken for markup.
    """
    convex = Convex.from_project(project, database=database)
    try:
        convex.migrate()
        assert convex.metadata is not None
        now = convex.clock.now()
        with convex.database.ddl() as connection:
            convex.metadata.create_all(connection)
            write_shop(connection, convex.metadata, now)
            write_failing_order(connection, convex)
        samples = run_samples(convex)
        history = History(samples, convex.clock.now(), number)
        past = list(history.jobs())
        with convex.database.ddl() as connection:
            write_jobs(connection, past)
            write_figures(connection, past, samples, convex.clock.now())
            for table in ("orders", "order_lines"):
                rows = [order[table] for order in history.orders]
                connection.execute(insert(convex.metadata.tables[table]), rows)
            if hostile:
                write_hostile(connection, convex.metadata, convex.clock.now())
    finally:
        convex.close()


def write_failing_order(connection: Connection, convex: Convex) -> None:
    """The order whose charge fails in the samples."""
    assert convex.metadata is not None
    tables = convex.metadata.tables
    order_id = FAILING["orders:charge"][1]["order_id"]
    values = {"id": order_id, "user_id": "ada", "status": "processing", "cents": 1813}
    connection.execute(insert(tables["orders"]), {**values, "receipt": None, "ordered_at": convex.clock.now()})
    connection.execute(insert(tables["order_lines"]), {"order_id": order_id, "item_id": MATCHA, "quantity": 1})


def add_key(project: Path, database: str | None, name: str, *, read_only: bool = False) -> NewKey:
    """A new admin key of a filled database."""
    key = new_key()
    convex = Convex.from_project(project, database=database)
    try:
        with convex.database.write_internal() as connection:
            values = {"id": key.id, "name": name, "digest": key.digest, "created_time": convex.clock.now()}
            connection.execute(insert(admin_keys).values(read_only=read_only, **values))
    finally:
        convex.close()
    return key

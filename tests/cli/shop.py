"""A small project to use the command line on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from textwrap import dedent

from support.modules import forget_modules_in, forget_package
from typer.testing import CliRunner, Result

from convexpy.app import Convex
from convexpy.cli import app
from convexpy.cli.opening import open_app
from convexpy.project import load_project

MODELS = """
    from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


    class Base(DeclarativeBase):
        pass


    class Order(Base):
        __tablename__ = "orders"

        id: Mapped[str] = mapped_column(primary_key=True)
        status: Mapped[str] = mapped_column(default="new")
"""

ORDERS = """
    from datetime import timedelta

    from sqlalchemy import select

    from convexpy import (
        ConvexError,
        MutationCtx,
        QueryCtx,
        SyncActionCtx,
        action,
        internal_action,
        internal_mutation,
        mutation,
        query,
    )

    from .models import Order


    @mutation
    def place(ctx: MutationCtx, order_id: str, delay_seconds: float = 3600) -> str:
        ctx.db.add(Order(id=order_id))
        ctx.schedule.after(timedelta(seconds=delay_seconds), charge, order_id=order_id)
        return order_id


    @internal_action
    def charge(ctx: SyncActionCtx, order_id: str) -> None:
        ctx.run_mutation(mark, order_id=order_id, status="paid")


    @internal_mutation
    def mark(ctx: MutationCtx, order_id: str, status: str) -> None:
        ctx.db.get_one(Order, order_id).status = status


    @query
    def statuses(ctx: QueryCtx) -> dict[str, str]:
        return {order.id: order.status for order in ctx.db.scalars(select(Order).order_by(Order.id))}


    @query
    def whoami(ctx: QueryCtx) -> str | None:
        return f"{ctx.identity.subject} {dict(ctx.identity.claims)}" if ctx.identity else None


    @mutation
    def fail(ctx: MutationCtx, secret: str = "") -> None:
        raise ConvexError("CONFLICT", "it failed", {"why": "test"})


    @mutation
    def crash(ctx: MutationCtx) -> None:
        raise RuntimeError("first line\\nsecond line \\x1b[31m")
"""

CRONS = """
    from datetime import timedelta

    from convexpy import Crons

    from .orders import mark

    crons = Crons()
    crons.interval("sweep", timedelta(hours=2), mark, order_id="none", status="swept")
"""


MADE: dict[object, dict[str, bytes]] = {}


class Shop:
    """A project with the package ``shop``."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.write("pyproject.toml", '[tool.convexpy]\nfunctions = "shop"\n')
        self.write("shop/__init__.py", "")
        self.write("shop/models.py", MODELS)
        self.write("shop/orders.py", ORDERS)
        self.write("shop/crons.py", CRONS)

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text), "utf-8")
        return path

    def change(self, name: str, old: str, new: str) -> None:
        text = (self.root / name).read_text("utf-8")
        assert old in text
        (self.root / name).write_text(text.replace(old, new), "utf-8")

    def files(self) -> set[str]:
        """Every file of the project, but for bytecode."""
        paths = (path for path in self.root.rglob("*") if "__pycache__" not in path.parts)
        return {str(path.relative_to(self.root)) for path in paths}

    def contents(self) -> dict[str, bytes]:
        """What the files are, but for bytecode."""
        return {name: (self.root / name).read_bytes() for name in self.files() if (self.root / name).is_file()}

    def forget(self) -> None:
        """Let its modules be imported anew, and not those of another test's project."""
        forget_package("shop")
        forget_modules_in(self.root)

    def cli(self, *args: str) -> Result:
        """Run a command in this process, as if typed in the project's folder."""
        self.forget()
        result = CliRunner().invoke(app, args, prog_name="convexpy")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    @contextmanager
    def convex(self) -> Iterator[Convex]:
        """The project's engine, in this process."""
        self.forget()
        convex = open_app(load_project(self.root))
        try:
            yield convex
        finally:
            convex.close()

    def once(self, make: Callable[[], None]) -> None:
        """Let a function add files to the project. Of the same project they are made once, and then copied."""
        before = self.contents()
        key = (make.__qualname__, *sorted(before.items()))
        if key not in MADE:
            make()
            MADE[key] = {name: content for name, content in self.contents().items() if name not in before}
        for name, content in MADE[key].items():
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            (self.root / name).write_bytes(content)

    def apply_revision(self) -> None:
        """The configured database, made by a revision of the models."""
        self.once(self._apply_revision)

    def _apply_revision(self) -> None:
        assert self.cli("db", "revision", "-m", "orders").exit_code == 0
        assert self.cli("db", "upgrade").exit_code == 0

    def make_database(self) -> None:
        """The development database, with the tables of the framework and of the app, without waiting for `dev`."""
        self.once(self._make_database)

    def _make_database(self) -> None:
        with self.convex() as convex:
            convex.migrate()
            assert convex.metadata is not None
            with convex.database.write_internal() as connection:
                convex.metadata.create_all(connection)

    def work(self, *names: str) -> None:
        """Run what is due until a job of each of these functions has run."""
        seen: Queue[str] = Queue()
        missing = set(names)
        with self.convex() as convex:
            convex.on_run(lambda run: seen.put(run.name) if run.job_id else None)
            with convex.running():
                while missing:
                    missing.discard(seen.get(timeout=20))

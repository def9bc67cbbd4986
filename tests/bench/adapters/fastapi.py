"""What a web app does by itself: the same statements in a Session, serializable, again after a conflict."""

from __future__ import annotations

import random
import sqlite3
import sys
import time
from collections.abc import Callable
from itertools import count
from typing import Any, TypeVar

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from ..app.models import newest_of, write
from ..config import Config
from .session import engine

T = TypeVar("T")

# As many as Starlette has threads.
THREADS = 40
TRIES = 10
CONFLICTS = ("40001", "40P01")


class QueryArguments(BaseModel):
    channel: int


class MutationArguments(BaseModel):
    i: int


def make_app(config: Config) -> FastAPI:
    app = FastAPI()
    writing = engine(config, THREADS, isolation_level="SERIALIZABLE")
    reading = engine(config, THREADS, isolation_level="REPEATABLE READ", begin="BEGIN")

    @app.post("/api/query")
    def newest(arguments: QueryArguments) -> list[int]:
        with Session(reading) as session:
            return list(session.scalars(newest_of(arguments.channel)))

    @app.post("/api/mutation")
    def direct(arguments: MutationArguments) -> None:
        serializable(writing, lambda session: write(session, arguments.i))

    return app


def serializable(engine: Engine, work: Callable[[Session], T]) -> T:
    """Do some work in a transaction, again if it met a conflict."""
    for tries in count(1):
        try:
            with Session(engine) as session, session.begin():
                return work(session)
        except DBAPIError as error:
            if tries == TRIES or not is_conflict(error.orig):
                raise
            time.sleep(random.uniform(0, 0.005 * 2**tries))
    raise AssertionError("unreachable")


def is_conflict(error: Any) -> bool:
    if isinstance(error, sqlite3.Error):
        return error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
    return error.sqlstate in CONFLICTS


if __name__ == "__main__":
    given = Config.from_json(sys.argv[1])
    uvicorn.run(make_app(given), port=int(given.options["port"]), http="httptools", loop="uvloop")

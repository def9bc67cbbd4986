"""``Reading``: SELECTs within a call's transaction that a time limit ends, and not the call with them.

They are sent past SQLAlchemy, so that neither a filter that takes too long nor a value that does not fit counts as a
failure of the transaction.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final, NoReturn, TypeAlias

from sqlalchemy import CompoundSelect, Dialect, Select

from ...errors import ConvexError, ErrorCode
from ..errors import driver_error
from ..transaction import OpenTransaction

AnySelect: TypeAlias = Select[*tuple[Any, ...]]

LIMIT_SECONDS: Final = 5.0
SAVEPOINT: Final = "convexpy_reading"
STEPS: Final = 10_000
"""Of SQLite's virtual machine, between two looks at the clock."""
CANCELED: Final = "57014"
NOT_PERMITTED: Final = "42501"
CODES: Final[dict[str, ErrorCode]] = {"22": "BAD_REQUEST", "42": "BAD_REQUEST"}
"""Classes of errors that are due to what was asked."""


class Reading:
    """Executes SELECTs. A row is a tuple of what the driver gives."""

    def __init__(self, transaction: OpenTransaction, seconds: float) -> None:
        self.dialect: Final = transaction.dialect
        self._driver: Any = transaction.driver
        self._compiles_for = positional(transaction.connection.dialect)
        self._seconds = seconds
        self._until = time.monotonic() + seconds

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is SQLite; otherwise it is PostgreSQL."""
        return self.dialect == "sqlite"

    def query(self, text: str, *values: object) -> list[tuple[Any, ...]]:
        """The rows of a statement in the database's own words.

        Raises:
            ConvexError: It took too long (TIMEOUT), or the database refuses what was asked (BAD_REQUEST, FORBIDDEN).
        """
        return self._execute(text, values)

    def select(self, statement: AnySelect | CompoundSelect[*tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """The rows of a statement of SQLAlchemy's. Raises what ``query`` raises."""
        compiled: Any = statement.compile(dialect=self._compiles_for, compile_kwargs={"render_postcompile": True})
        changes = compiled._bind_processors
        values = []
        for name in compiled.positiontup or ():
            value = compiled.binds[name].value if name in compiled.binds else compiled.params[name]
            values.append(changes[name](value) if name in changes else value)
        return self._execute(str(compiled), values)

    def _execute(self, text: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        self._shorten()
        try:
            # Without a sequence of values, the PostgreSQL driver would take %% for two characters.
            return list(self._driver.execute(text, list(values)).fetchall())
        except Exception as error:
            self._refuse(error)

    def _shorten(self) -> None:
        """On PostgreSQL the limit is that of each statement: what was used of it is not left for the next one."""
        left = self._until - time.monotonic()
        if not self.is_sqlite and left < self._seconds / 2:
            self._driver.execute(limit_to(max(left, 0.001)), prepare=False)

    def _refuse(self, error: Exception) -> NoReturn:
        driver = driver_error(error)
        if isinstance(driver, sqlite3.Error):
            if "interrupted" in str(driver):
                self._too_slow(error)
            raise error
        state = str(getattr(driver, "sqlstate", None) or "")
        if state == CANCELED:
            self._too_slow(error)
        code: ErrorCode | None = "FORBIDDEN" if state == NOT_PERMITTED else CODES.get(state[:2])
        if code is None or driver is None:
            raise error
        raise ConvexError(code, str(driver.diag.message_primary)) from None

    def _too_slow(self, error: Exception) -> NoReturn:
        raise ConvexError(
            "TIMEOUT",
            f"the database looked for these rows for {self._seconds:g} s and was stopped. Filter or sort by a column "
            "with an index",
        ) from error


def limit_to(seconds: float) -> str:
    return f"SET LOCAL statement_timeout = {max(1, round(seconds * 1000))}"


def positional(dialect: Dialect) -> Dialect:
    """The dialect with values by position, as drivers take them."""
    if dialect.paramstyle == "qmark":
        return dialect
    make: Any = type(dialect)
    found: Dialect = make(paramstyle="format")
    return found


@contextmanager
def reading(transaction: OpenTransaction, seconds: float = LIMIT_SECONDS) -> Iterator[Reading]:
    """Read within a transaction. What is written in the block is undone at its end."""
    transaction.check_shortly()
    if transaction.footprints is not None:
        transaction.footprints.pause()
    bounded = on_sqlite if transaction.dialect == "sqlite" else on_postgres
    with bounded(transaction, seconds):
        yield Reading(transaction, seconds)


@contextmanager
def on_sqlite(transaction: OpenTransaction, seconds: float) -> Iterator[None]:
    driver, until = transaction.driver, time.monotonic() + seconds
    before = driver.text_factory
    driver.text_factory = lambda data: data.decode("utf-8", "replace")
    driver.set_progress_handler(lambda: time.monotonic() > until, STEPS)
    try:
        yield
    finally:
        driver.set_progress_handler(None, STEPS)
        driver.text_factory = before


@contextmanager
def on_postgres(transaction: OpenTransaction, seconds: float) -> Iterator[None]:
    driver = transaction.driver
    driver.execute(f"SAVEPOINT {SAVEPOINT}; {limit_to(seconds)}", prepare=False)
    try:
        yield
    finally:
        if not transaction.expired:
            with suppress(Exception):  # the error of the block says more
                driver.execute(f"ROLLBACK TO {SAVEPOINT}; RELEASE {SAVEPOINT}", prepare=False)

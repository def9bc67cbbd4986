"""Values in the errors of databases: they may be secrets, and errors are kept, logged and read by clients."""

from __future__ import annotations

import re
from typing import Any, Final, TypeVar

from sqlalchemy import Engine, event
from sqlalchemy.engine import ExceptionContext

from ..errors import text_of
from .postgres_errors import is_internal

E = TypeVar("E", bound=BaseException)

HIDDEN: Final = "(hidden)"
# invalid input syntax for type integer: "a secret"
QUOTED_AT_END: Final = re.compile(r': ".*"\Z', re.DOTALL)
# SQLAlchemy's Enum
NOT_IN_ENUM: Final = re.compile(r"\A.*(?= is not among the defined enum values)", re.DOTALL)


def hide_values(engine: Engine) -> None:
    """Leave the values that a server or SQLAlchemy quotes out of the texts of errors. ``error.orig.diag`` keeps them.

    ``hide_parameters`` of the engine hides those of SQLAlchemy's own list of parameters.
    """

    @event.listens_for(engine, "handle_error")
    def hide(context: ExceptionContext) -> None:
        before = text_of(context.original_exception)
        after = text_of(without_values(context.original_exception))
        wrapped = context.sqlalchemy_exception
        if after != before and wrapped is not None:
            wrapped.args = tuple(str(each).replace(before, after) for each in wrapped.args)


def without_values(error: E) -> E:
    """An error of a driver, or of SQLAlchemy's types, without the values that its text quotes."""
    if isinstance(error, LookupError):
        text = NOT_IN_ENUM.sub(HIDDEN, text_of(error))
        if text != text_of(error):
            error.__cause__ = error.__context__ = None  # a KeyError
    elif hasattr(type(error), "sqlstate"):
        text = without_values_of_server(error)
    else:
        return error
    if text != text_of(error):
        error.args = (text,)
    return error


def without_values_of_server(error: Any) -> str:
    """The text of a server's error. DETAIL holds rows and keys, but for conflicts and failures."""
    message: str | None = error.diag.message_primary if error.sqlstate is not None else None
    if message is None or is_internal(error):
        return text_of(error)
    return QUOTED_AT_END.sub(f": {HIDDEN}", message) if str(error.sqlstate).startswith("22") else message

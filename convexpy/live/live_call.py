"""``LiveCall``: a call that is made again and again, with the version of the app that is loaded by then."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable
from copy import copy
from dataclasses import replace
from itertools import count
from typing import Final, NamedTuple

from ..errors import CallNotAllowed, ConvexError
from ..functions.declare import Kind
from ..functions.load import App
from ..runtime.admin import Admin
from ..runtime.call import Call, ResultForm
from ..runtime.identity import Identity

REFUSED: Final = "(refused)"
"""The name of a query that is none."""

_numbers: Final = count()


class QueryKey(NamedTuple):
    """What makes two calls the same query. Without its identity, it is the same for all users."""

    name: str
    arguments: Hashable
    form: tuple[ResultForm, bool, Admin | None]
    """In which form its result is wanted, and with which rights."""
    identity: Identity | None
    journal: str | None = None
    """Where its page ends. Two pages that began alike and ended differently are two queries."""
    number: int = 0
    """Not 0: it stands for itself, although its result is that of others."""

    @property
    def result(self) -> QueryKey:
        """What has the same result in one snapshot, unless it depends on the identity."""
        return self._replace(identity=None, number=0)


class LiveCall:
    """The call of a query on behalf of its subscribers."""

    seconds: float | None = None
    """How long it took as a query of a group that it has left."""

    def __init__(self, call: Call, app: App, bind: Callable[[], Call] | None = None) -> None:
        """Make the call of a query.

        Args:
            call: Bound by the functions of this version of the app.
            app: The version.
            bind: Binds the call of a client anew, by a later version.

        Raises:
            CallNotAllowed: The function is no query.
        """
        if call.function.kind is not Kind.QUERY:
            raise CallNotAllowed(
                f"{call.function.name} is {call.function.kind.phrase}, and only queries can be subscribed to"
            )
        self._call = call
        self._app = app
        self._bind = bind
        self.name = call.function.name
        self.arguments = stored_arguments(call)
        """As JSON. None: they have no exact form there."""
        arguments: Hashable = next(_numbers) if self.arguments is None else self.arguments
        self.key = QueryKey(
            self.name, arguments, (call.form, call.redacts_errors, call.admin), call.identity, call.journal
        )

    @classmethod
    def of_client(cls, bind: Callable[[], Call], app: App) -> LiveCall:
        """The call of a client. One that is refused is a query too: it fails, until a version of the app allows it."""
        try:
            return cls(bind(), app, bind)
        except ConvexError as error:
            return RefusedCall(bind, error, app)

    def with_journal(self, journal: str | None) -> LiveCall:
        """The same, for a page whose end is known."""
        pinned = copy(self)
        pinned.key = self.key._replace(journal=journal, number=0)
        pinned._call = replace(self._call, journal=journal)
        return pinned

    def set_apart(self) -> None:
        """Let it be a query of its own."""
        self.key = self.key._replace(number=1 + next(_numbers))

    def bound(self, app: App) -> Call:
        """The call as a version of the app makes it.

        Raises:
            ConvexError: In this version there is no such query, or the arguments do not fit.
        """
        if app is self._app:
            return self._call
        if self._bind is not None:
            self._call, self._app = replace(self._bind(), journal=self._call.journal), app
            return self._call
        function = app.registry.find(self.name)
        if function.kind is not Kind.QUERY:
            raise CallNotAllowed(f"{self.name} is {function.kind.phrase} now, and only queries can be subscribed to")
        if self.arguments is None:
            values = function.arguments.check(self.name, self._call.values)
        else:
            values = function.arguments.load(self.name, self.arguments)
        self._call, self._app = replace(self._call, function=function, values=values), app
        return self._call


class RefusedCall(LiveCall):
    """A client's call of what is no public query, or with arguments that do not fit. Each run of it fails."""

    def __init__(self, bind: Callable[[], Call], error: ConvexError, app: App) -> None:
        self.name, self.arguments = REFUSED, None
        self.key = QueryKey(self.name, next(_numbers), (ResultForm.ENCODED, False, None), None)
        self._bind_again = bind
        self._error = error
        self._app = app

    def bound(self, app: App) -> Call:
        if app is self._app:
            raise self._error
        return self._bind_again()

    def with_journal(self, journal: str | None) -> LiveCall:
        return self


def stored_arguments(call: Call) -> str | None:
    """The arguments as JSON, the same text for the same values. None: they would not load as they are."""
    try:
        return json.dumps(json.loads(call.function.arguments.store(call.function.name, call.values)), sort_keys=True)
    except ConvexError:
        return None

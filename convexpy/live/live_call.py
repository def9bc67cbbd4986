"""``LiveCall``: a call that is made again and again, with the version of the app that is loaded by then."""

from __future__ import annotations

import json
from collections.abc import Hashable
from dataclasses import replace
from itertools import count
from typing import Final, NamedTuple

from ..errors import CallNotAllowed, ConvexError
from ..functions.declare import Kind
from ..functions.load import App
from ..runtime.call import Call, ResultForm
from ..runtime.identity import Identity

_numbers: Final = count()


class QueryKey(NamedTuple):
    """What makes two calls the same query. Without its identity, it is the same for all users."""

    name: str
    arguments: Hashable
    form: tuple[ResultForm, bool]
    identity: Identity | None


class LiveCall:
    """The call of a query on behalf of its subscribers."""

    def __init__(self, call: Call, app: App) -> None:
        """``call``: bound by the functions of this version of the app.

        Raises:
            CallNotAllowed: The function is no query.
        """
        if call.function.kind is not Kind.QUERY:
            raise CallNotAllowed(
                f"{call.function.name} is {call.function.kind.phrase}, and only queries can be subscribed to"
            )
        self._call = call
        self._app = app
        self.name = call.function.name
        self.arguments = stored_arguments(call)
        """As JSON. None: they have no exact form there."""
        arguments: Hashable = next(_numbers) if self.arguments is None else self.arguments
        self.key = QueryKey(self.name, arguments, (call.form, call.redacts_errors), call.identity)

    def bound(self, app: App) -> Call:
        """The call as a version of the app makes it.

        Raises:
            ConvexError: In this version there is no such query, or the arguments do not fit.
        """
        if app is self._app:
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


def stored_arguments(call: Call) -> str | None:
    """The arguments as JSON, the same text for the same values. None: they would not load as they are."""
    try:
        return json.dumps(json.loads(call.function.arguments.store(call.function.name, call.values)), sort_keys=True)
    except ConvexError:
        return None

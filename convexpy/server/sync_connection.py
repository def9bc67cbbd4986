"""``SyncConnection``: one client on a socket. It reads messages; the parts beside it do what they ask for."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from functools import partial
from typing import Any, Final, NamedTuple

from ..errors import ConvexError, SubscriptionClosed
from ..functions.declare import Kind
from ..live.loop_calls import running_loop_calls
from ..live.query_set import Bind, Results, SetVersion
from ..runtime.call import Call
from .authenticator import AuthFailed
from .backend import Backend
from .large_texts import work_on
from .principal import Caller, Principal
from .sync_calls import SocketCalls, Start
from .sync_failures import QueryFailures
from .sync_frames import auth_error, query_failed, query_updated
from .sync_messages import (
    AddQuery,
    Authenticate,
    CallRequest,
    ClientMessage,
    Connect,
    Event,
    ModifyQuerySet,
    ProtocolViolation,
    parse_message,
)
from .sync_outbox import Outbox, WaitingBytes
from .sync_socket import NORMAL, RESTART, SERVER_ERROR, TRY_LATER, Disconnected, Ending, Socket
from .sync_transitions import Transitions

logger = logging.getLogger("convexpy.server")

CONNECT_SECONDS: Final = 10.0
"""A client that has said nothing for so long is disconnected."""
KEY_SECONDS: Final = 20.0
"""How often it is checked that an admin key was not revoked."""
EXPIRED: Final = "Could not validate token: Token expired"
MANY_BYTES: Final = 4
"""How many of the largest messages may be kept for a client: its subscriptions, and responses that it does not read."""


class Peer(NamedTuple):
    """The client of a socket."""

    address: str | None
    takes_pieces: bool
    """Whether it can put a long Transition together from pieces."""


class SyncConnection:
    """Of one event loop."""

    def __init__(
        self, backend: Backend, socket: Socket, failures: QueryFailures, start: Start, peer: Peer, caller: Caller
    ) -> None:
        """``start`` runs a call in a task that outlives the socket; ``caller`` is the client's until it says more."""
        self._peer = peer
        self._backend = backend
        self._settings = backend.settings
        self._socket = socket
        self._failures = failures
        most = self._settings.max_body_bytes
        self._waiting = WaitingBytes(most)
        self._outbox = Outbox(socket, self._waiting, MANY_BYTES * most, partial(self.end, None))
        clock = backend.live.versions
        wake = partial(running_loop_calls().soon, self._outbox.awake.set)
        self._query_set = backend.live.new_query_set(wake)
        self._transitions = Transitions(self._query_set, clock, self._modifications, may_split=peer.takes_pieces)
        self._calls = SocketCalls(backend, self._outbox, self._transitions, self._waiting, start)
        self._received = SetVersion()
        self._queries: dict[int, AddQuery] = {}
        self._sizes: dict[int, int] = {}
        self._size = 0
        self._auth, self._unnamed = caller
        self._principal = self._unnamed
        self._watch: asyncio.Task[None] | None = None
        self._ending: asyncio.Future[Ending | None] = asyncio.get_running_loop().create_future()
        self._reader: asyncio.Task[None] | None = None

    async def run(self) -> Ending | None:
        """Serve the client until it leaves or has to be disconnected. Why; None: it has left."""
        self._reader = asyncio.ensure_future(self._guarded(self._read()))
        if self._principal.key_id is not None:
            self._watch_principal(self._principal)
        writing = self._outbox.write(self._transitions, self._check_expiry)
        tasks = [self._reader, *(asyncio.ensure_future(self._guarded(each)) for each in (writing, self._mutate()))]
        try:
            ending = await self._ending
        finally:
            for task in tasks:
                task.cancel()
            self._calls.leave()
            self._query_set.close()
            if self._watch is not None:
                self._watch.cancel()
        await asyncio.wait(tasks)
        if ending is not None:
            await self._socket.close(ending)
        return ending

    def end(self, ending: Ending | None) -> None:
        """Disconnect the client. The first reason counts."""
        if not self._ending.done():
            self._ending.set_result(ending)

    async def drain(self) -> None:
        """Let what runs end, send the responses, and disconnect the client, which goes on elsewhere."""
        if self._reader is not None:
            self._reader.cancel()
        await self._calls.finish()
        await self._outbox.wait_until_empty()
        self.end(Ending(RESTART, "Restart"))

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Ending as ending:
            self.end(ending)
        except ProtocolViolation as violation:
            self.end(Ending.fatal(str(violation)))
        except Disconnected:
            self.end(None)
        except SubscriptionClosed:
            self.end(Ending(RESTART, "Restart"))
        except Exception:
            logger.exception("a socket failed")
            self.end(Ending(SERVER_ERROR, "InternalServerError"))

    async def _mutate(self) -> None:
        await self._calls.run_mutations()

    async def _read(self) -> None:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                message = await self._next_message()
        except TimeoutError:
            raise Ending(NORMAL, "there was no Connect in time") from None
        if not isinstance(message, Connect):
            raise ProtocolViolation("the first message is a Connect")
        self._connect(message)
        while True:
            await self._handle(await self._next_message())
            await self._waiting.wait_for_room()
            await asyncio.sleep(0)  # frames that are there already would not let others have their turn

    async def _next_message(self) -> ClientMessage:
        text = await self._socket.receive()
        return await work_on(len(text), lambda: parse_message(text, max_depth=self._settings.max_json_depth))

    async def _handle(self, message: ClientMessage) -> None:
        match message:
            case ModifyQuerySet():
                self._modify(message)
            case CallRequest():
                self._calls.add(message, self._principal, self.end)
            case Authenticate():
                await self._authenticate(message)
            case Connect():
                raise ProtocolViolation("there was a Connect already")
            case Event():
                pass

    def _connect(self, message: Connect) -> None:
        self._calls.session = message.session
        if message.observed is not None and not self._backend.live.versions.pass_by(message.observed):
            raise Ending(TRY_LATER, "ClockIsBehind")
        if message.client_time is not None:
            self._transitions.skew = message.client_time - time.time_ns() // 1_000_000

    def _modify(self, message: ModifyQuerySet) -> None:
        """Subscribe to queries, and end subscriptions."""
        if message.base_version != self._received.query_set:
            raise ProtocolViolation(not_current(message.base_version, self._received.query_set))
        if message.new_version <= message.base_version:
            raise ProtocolViolation("newVersion is larger than baseVersion")
        removed: list[int] = []
        binds: dict[int, Bind] = {}
        for each in message.modifications:
            if isinstance(each, int):
                self._remove(each)
                removed.append(each)
                binds.pop(each, None)
            else:
                binds[each.number] = self._add(each, message.size // len(message.modifications))
        self._received = self._received._replace(query_set=message.new_version)
        self._query_set.change(self._received, removed, binds)

    def _add(self, query: AddQuery, size: int) -> Bind:
        if query.number in self._queries:
            raise ProtocolViolation(f"there is a query {query.number} already")
        self._queries[query.number], self._sizes[query.number] = query, size
        self._size += size
        most = self._settings.max_socket_queries
        if len(self._queries) > 2 * most:
            raise ProtocolViolation(f"a client may subscribe to {most} queries")
        if self._size > MANY_BYTES * self._settings.max_body_bytes:
            raise ProtocolViolation("the arguments of its queries are too large")
        if len(self._queries) > most:
            return partial(refuse, f"a client may subscribe to {most} queries")
        return self._binder(query)

    def _remove(self, number: int) -> None:
        if self._queries.pop(number, None) is None:
            raise ProtocolViolation(f"there is no query {number}")
        self._size -= self._sizes.pop(number)

    def _binder(self, query: AddQuery) -> Callable[[], Call]:
        """Makes the call of a query, now and with later versions of the app."""
        return partial(
            self._backend.calls.bind_client,
            query.path,
            query.arguments,
            self._principal.identity,
            kind=Kind.QUERY,
            admin=self._principal.admin,
            journal=query.journal,
        )

    async def _authenticate(self, message: Authenticate) -> None:
        """Call on behalf of another user from now on. Later messages wait until it is known whether that may be."""
        if message.base_version != self._received.identity:
            raise ProtocolViolation(not_current(message.base_version, self._received.identity))
        try:
            principal = await self._principal_of(message)
        except AuthFailed as error:
            if error.status >= 500:
                raise Ending(TRY_LATER, error.code) from error
            raise self._auth_ending(error.message, was_update=True) from error
        self._received = self._received._replace(identity=self._received.identity + 1)
        is_other = principal.identity != self._principal.identity or principal.admin != self._principal.admin
        self._principal = principal
        self._watch_principal(principal)
        binds = {number: self._binder(query) for number, query in self._queries.items()} if is_other else {}
        self._query_set.change(self._received, (), binds)

    async def _principal_of(self, message: Authenticate) -> Principal:
        match message.token_type:
            case "User":
                return await self._auth.from_token(message.value)
            case "Admin":
                return await self._auth.from_key(message.value, message.acting_as, client=self._peer.address)
            case _:
                return self._unnamed

    def _watch_principal(self, principal: Principal) -> None:
        if self._watch is not None:
            self._watch.cancel()
        self._watch = asyncio.ensure_future(self._watch_over(principal))

    async def _watch_over(self, principal: Principal) -> None:
        await self._guarded(self._end_with(principal))  # made here: the task may be canceled before it begins

    async def _end_with(self, principal: Principal) -> None:
        """Return when nothing can end the rights of a caller any more.

        Raises:
            Ending: They have ended: its token has expired, or its key was revoked.
        """
        seconds = KEY_SECONDS if principal.key_id is not None else float("inf")
        while principal.expires is not None or principal.key_id is not None:
            left = principal.seconds_left(self._backend.clock.now())
            await asyncio.sleep(min(left, seconds))
            if left <= seconds:
                raise self._auth_ending(EXPIRED, was_update=False)
            try:
                await self._auth.check_again(principal)
            except AuthFailed as error:
                raise self._auth_ending(error.message, was_update=False) from error

    def _check_expiry(self) -> None:
        """Make sure that the client's token is valid still.

        Raises:
            Ending: It is not.
        """
        if self._principal.is_expired(self._backend.clock.now()):
            raise self._auth_ending(EXPIRED, was_update=False)

    def _auth_ending(self, message: str, *, was_update: bool) -> Ending:
        frame = auth_error(message, self._transitions.sent.set.identity, was_update=was_update)
        return Ending(NORMAL, "", frame)

    def _modifications(self, results: Results) -> list[bytes]:
        found = []
        for number, outcome in results.changed.items():
            query = self._queries.get(number)
            if query is not None and outcome.journal != query.journal:
                self._queries[number] = replace(query, journal=outcome.journal)
            if outcome.error is None:
                found.append(query_updated(number, outcome.value, outcome.journal))
            else:
                path = query.path if query is not None else "a query"
                found.append(query_failed(number, self._failures.encoded(outcome, path), outcome.journal))
        return found


def not_current(given: int, current: int) -> str:
    return f"Base version {given} passed up doesn't match the current version {current}"


def refuse(message: str) -> Call:
    """In the place of a query that is not allowed."""
    raise ConvexError("TOO_MANY_REQUESTS", message)

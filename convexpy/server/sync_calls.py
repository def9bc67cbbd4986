"""``SocketCalls``: the mutations of a client, one after the other, and its actions, beside each other."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, Final

from ..database.requests import RequestKey
from ..errors import CommitUnknown, Overloaded
from ..functions.declare import Kind
from ..runtime.call import Call, RequestId
from .backend import Backend
from .envelope import RAISED, describe, log_failure
from .large_texts import work_on
from .principal import Principal
from .sync_frames import action_failed, action_response, encoded_failure, mutation_failed, mutation_response
from .sync_messages import CallRequest
from .sync_outbox import Outbox, WaitingBytes
from .sync_socket import SERVER_ERROR, TRY_LATER, Ending
from .sync_transitions import OwnCommit, Transitions

MOST_WAITING: Final = 1000
"""How many calls of one socket may wait."""
MOST_ACTIONS: Final = 64
"""How many of its actions run at the same time."""

Start = Callable[[Coroutine[Any, Any, bytes]], asyncio.Task[bytes]]


class SocketCalls:
    """Of one socket, on its event loop. A call that runs goes on to its end, whatever becomes of the socket."""

    def __init__(
        self, backend: Backend, outbox: Outbox, transitions: Transitions, waiting: WaitingBytes, start: Start
    ) -> None:
        """``start`` runs a call in a task of its own."""
        self._backend = backend
        self._outbox = outbox
        self._transitions = transitions
        self._waiting = waiting
        self._start = start
        self.session = ""
        self._mutations: deque[tuple[CallRequest, Principal]] = deque()
        self._has_mutations = asyncio.Event()
        self._places = asyncio.Semaphore(MOST_ACTIONS)
        self._actions: set[asyncio.Task[None]] = set()
        self._is_stopping = False
        self._has_left = False
        self._is_idle = asyncio.Event()
        self._is_idle.set()

    def add(self, request: CallRequest, principal: Principal, end: Callable[[Ending], None]) -> None:
        """A client calls a function.

        Args:
            request: The call.
            principal: On whose behalf.
            end: Ends the socket, if that has to be.

        Raises:
            Ending: Too many calls wait already.
        """
        if len(self._mutations) + len(self._actions) >= MOST_WAITING:
            raise Ending(TRY_LATER, "TooManyConcurrentRequests")
        self._waiting.add(request.size)
        if request.kind is Kind.MUTATION:
            self._mutations.append((request, principal))
            self._has_mutations.set()
            return
        action = asyncio.ensure_future(self._run_action(request, principal, end))
        self._actions.add(action)
        action.add_done_callback(self._actions.discard)

    async def run_mutations(self) -> None:
        """Run mutations in the order of their arrival, without end.

        Raises:
            Ending: The outcome of one is not known, or the server is overloaded. The client sends it again.
        """
        while not self._is_stopping:
            self._has_mutations.clear()
            if not self._mutations:
                await self._has_mutations.wait()
                continue
            await self._transitions.catch_up()
            request, principal = self._mutations.popleft()
            self._is_idle.clear()
            try:
                await self._run_mutation(request, principal)
            finally:
                self._waiting.remove(request.size)
                self._is_idle.set()

    async def _run_mutation(self, request: CallRequest, principal: Principal) -> None:
        own = self._transitions.begin_mutation()
        request_id = RequestId(caller="socket")
        try:
            result = await asyncio.shield(self._start(self._mutate(request, principal, request_id, own)))
        except RAISED as error:
            failure = self._failure(error, request_id, request.path)
            self._transitions.end_mutation()
            self._outbox.put(mutation_failed(request.number, failure))
        else:
            time = self._transitions.end_mutation()
            self._outbox.put(mutation_response(request.number, result, time))

    async def _mutate(self, request: CallRequest, principal: Principal, request_id: RequestId, own: OwnCommit) -> bytes:
        call = replace(
            await work_on(request.size, lambda: bind_call(self._backend, request, principal)),
            request=request_id,
            request_key=RequestKey(self.session, request.number),
            commit_watch=own,
        )
        result: bytes = await self._backend.calls.run_for_client(call, self._is_wanted)
        return result

    async def _run_action(self, request: CallRequest, principal: Principal, end: Callable[[Ending], None]) -> None:
        request_id = RequestId(caller="socket")
        try:
            async with self._places:
                if self._is_stopping:
                    return
                try:
                    result = await asyncio.shield(self._start(self._act(request, principal, request_id)))
                    frame = action_response(request.number, result)
                except RAISED as error:
                    frame = action_failed(request.number, self._failure(error, request_id, request.path))
            self._transitions.ask()
            self._outbox.put(frame)
        except Ending as ending:
            end(ending)
        finally:
            self._waiting.remove(request.size)

    async def _act(self, request: CallRequest, principal: Principal, request_id: RequestId) -> bytes:
        bound = await work_on(request.size, lambda: bind_call(self._backend, request, principal))
        call = replace(bound, request=request_id)
        result: bytes = await self._backend.calls.run_for_client(call)
        return result

    def _is_wanted(self) -> bool:
        return not self._has_left

    def _failure(self, error: BaseException, request_id: RequestId, path: str) -> bytes:
        """What the client is told of an error.

        Raises:
            Ending: It is told to send the call again: a mutation that has happened is found by its number.
        """
        if isinstance(error, Ending):
            raise error
        log_failure(error, request_id, path)
        if isinstance(error, Overloaded):
            raise Ending(TRY_LATER, "TooManyConcurrentRequests") from error
        if isinstance(error, CommitUnknown):
            raise Ending(SERVER_ERROR, "InternalServerError") from error
        return encoded_failure(describe(error, request_id, debug=self._backend.settings.debug))

    async def finish(self) -> None:
        """Begin no more calls, and return when those that run have ended."""
        self._is_stopping = True
        await self._is_idle.wait()
        while self._actions:
            await asyncio.wait(self._actions)

    def leave(self) -> None:
        """The socket is closed: nobody waits for results. Calls that run go on."""
        self._is_stopping = self._has_left = True
        for action in self._actions:
            action.cancel()


def bind_call(backend: Backend, request: CallRequest, principal: Principal) -> Call:
    """The call that a client asks for."""
    return backend.calls.bind_client(
        request.path, request.arguments, principal.identity, kind=request.kind, admin=principal.admin
    )

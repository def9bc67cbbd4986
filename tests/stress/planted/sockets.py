"""Bugs in sockets: what the official clients take for granted, and show wrongly or wait for in vain without it."""

from __future__ import annotations

from typing import Final

from .bug import Bug

PROMISES: Final = "tests/promises/test_sockets.py"
MUTATIONS: Final = "tests/server/test_sync_mutations.py"
VERSIONS: Final = "tests/server/test_sync_versions.py"

SOCKETS: Final = (
    Bug(
        name="a Transition before the response of its mutation",
        breaks="a message is shown twice for a moment: as the optimistic update, and as the row",
        file="server/sync_transitions.py",
        old="        return is_before and snapshot.before >= self._needed\n",
        new="        return snapshot.before >= self._needed or not is_before\n",
        tests=(f"{PROMISES}::test_trap_2_no_mutation_is_seen_before_its_response_or_twice",),
    ),
    Bug(
        name="a time that is drawn after its snapshot",
        breaks="a mutation is answered, and the list that comes next lacks it",
        file="live/group.py",
        old="            time = SnapshotTime(before, self._versions.next())\n",
        new="            time = SnapshotTime(self._versions.next(), before)\n",
        tests=("tests/live/test_rounds.py::test_the_time_of_a_snapshot_is_drawn_before_it_is_opened",),
    ),
    Bug(
        name="a mutation that is sent again and runs again",
        breaks="an order is placed twice, because a socket broke just after its commit",
        file="server/sync_calls.py",
        old="            request_key=RequestKey(self.session, request.number),\n",
        new="            request_key=None,\n",
        tests=(f"{PROMISES}::test_trap_9_a_mutation_that_is_sent_again_runs_once",),
    ),
    Bug(
        name="a queue of a socket without a bound",
        breaks="one client fills the memory of a server with calls that wait",
        file="server/sync_calls.py",
        old="        if len(self._mutations) + len(self._actions) >= MOST_WAITING:\n",
        new="        if False:\n",
        tests=(f"{MUTATIONS}::test_a_thousand_mutations_may_wait",),
    ),
    Bug(
        name="an empty Transition that is left out",
        breaks="`await mutation()` never returns if the mutation changes nothing that the page shows",
        file="server/sync_transitions.py",
        old="        if not modifications and not self._is_asked_for and results.version == self.sent.set:\n",
        new="        if not modifications and results.version == self.sent.set:\n",
        tests=("tests/server/test_sync_transitions.py::test_an_empty_transition_is_sent_after_a_response_only",),
    ),
    Bug(
        name="another user with the results of the one before",
        breaks="after a logout, a page shows what only the user before may read",
        file="server/sync_connection.py",
        old="for number, query in self._queries.items()} if is_other else {}\n",
        new="for number, query in self._queries.items() if not is_other}\n",
        tests=("tests/server/test_sync_identities.py::test_a_login_is_confirmed_and_changes_what_depends_on_it",),
    ),
    Bug(
        name="a Transition that begins elsewhere than the last one ended",
        breaks="the client throws `Invalid start version` in a callback, and a Node process dies",
        file="server/sync_transitions.py",
        old="        frame = transition(self.sent, end, modifications",
        new="        frame = transition(StateVersion(self.sent.set, end.time), end, modifications",
        tests=(f"{VERSIONS}::test_trap_3_the_first_transition_begins_at_nothing",),
    ),
    Bug(
        name="a large message on the event loop",
        breaks="one message of 16 MiB stops all clients of a server for seconds",
        file="server/large_texts.py",
        old="    return work() if size < LARGE else await asyncio.to_thread(work)\n",
        new="    return work() if size >= 0 else await asyncio.to_thread(work)\n",
        tests=("tests/server/test_large_texts.py",),
    ),
)

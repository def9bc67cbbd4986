"""Bugs in what clients send again, and in what the Python client makes of answers."""

from __future__ import annotations

from typing import Final

from .bug import Bug

REPEATED: Final = "tests/runtime/test_repeated_requests.py"
CALLS: Final = "tests/client/test_remote_calls.py"
SUBSCRIPTIONS: Final = "tests/client/test_remote_subscriptions.py"

CLIENTS: Final = (
    Bug(
        name="a request that is not known again",
        breaks="an order that a client sent twice, because its connection broke, is placed twice",
        file="runtime/transaction.py",
        old="        if isinstance(request, requests.AnsweredRequest):\n",
        new="        if False:\n",
        tests=(f"{REPEATED}::test_a_repeated_request_returns_the_first_result_and_does_nothing",),
    ),
    Bug(
        name="a result of somebody else's request",
        breaks="a user who guesses the key of another one reads the result that was meant for that one",
        file="runtime/repeats.py",
        old="[call.identity.issuer, call.identity.subject]",
        new="True",
        tests=(f"{REPEATED}::test_a_key_used_for_another_call_is_refused",),
    ),
    Bug(
        name="requests that are looked for first",
        breaks="on PostgreSQL, mutations of different clients conflict with each other all day long",
        file="database/requests.py",
        old="    inserted = insert.execute(connection, values).rows\n",
        new='    FIND.execute(connection, {"of_session": key.session, "of_request": key.number})\n'
        "    inserted = insert.execute(connection, values).rows\n",
        tests=(f"{REPEATED}::test_requests_that_overlap_do_not_conflict_with_each_other",),
    ),
    Bug(
        name="requests that are kept for ever",
        breaks="the database grows with every mutation of every client",
        file="database/requests.py",
        old='{"before": now - KEPT, "limit": limit}',
        new='{"before": now - 9999 * KEPT, "limit": limit}',
        tests=(f"{REPEATED}::test_requests_are_kept_for_24_hours_and_purged_in_batches",),
    ),
    Bug(
        name="a client whose mutations have no key",
        breaks="a mutation from Python whose answer is lost runs twice",
        file="client/http_calls.py",
        old="        if kind is Kind.MUTATION:\n",
        new="        if kind is None:\n",
        tests=(f"{CALLS}::test_a_mutation_whose_answer_is_lost_has_run_once",),
    ),
    Bug(
        name="an action that is sent again",
        breaks="a card is charged twice, because the answer to the first charge was lost",
        file="client/http_calls.py",
        old="            if has_time and is_repeatable:\n",
        new="            if has_time:\n",
        tests=(f"{CALLS}::test_an_action_whose_answer_is_lost_is_not_sent_again",),
    ),
    Bug(
        name="a subscription that forgets its queries",
        breaks="after a restart of the server a worker in Python waits for changes that never come",
        file="client/live_socket.py",
        old="[addition(number, query) for number, query in self._queries.items()]",
        new="[addition(number, query) for number, query in self._queries.items() if self._connections == 1]",
        tests=(f"{SUBSCRIPTIONS}::test_a_subscription_goes_on_after_a_restart_of_the_server",),
    ),
)

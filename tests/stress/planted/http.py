"""Bugs in HTTP: what is public, which pages may call, limits, errors, routes."""

from __future__ import annotations

from typing import Final

from .bug import Bug

SECURITY: Final = "tests/server/test_security_http.py"
ORIGINS: Final = "tests/server/test_origins.py"
LIMITS: Final = "tests/server/test_limits.py"
ERRORS: Final = "tests/server/test_envelope.py"
ROUTES: Final = "tests/server/test_http_routes.py"

HTTP: Final = (
    Bug(
        name="internal functions for every client",
        breaks="a page calls what only the server may",
        file="functions/registry.py",
        old="with_internal or found.visibility is Visibility.PUBLIC",
        new="True",
        tests=(f"{SECURITY}::test_a1_an_internal_function_is_answered_as_an_unknown_one",),
    ),
    Bug(
        name="the address for the admin key without one",
        breaks="it answers everybody",
        file="server/http_api.py",
        old="        if not principal.is_admin:\n",
        new="        if False:\n",
        tests=(f"{SECURITY}::test_a1_the_address_for_the_admin_key_wants_one",),
    ),
    Bug(
        name="an origin that ends like a listed one",
        breaks="evilgood.com reads the answers of a user's session",
        file="server/origins.py",
        old="return origin in {Origin.parse(each) for each in settings.cors}",
        new="return any(each and origin.host.endswith(each.host) for each in map(Origin.parse, settings.cors))",
        tests=(f"{ORIGINS}::test_no_other_page_may_read_answers",),
    ),
    Bug(
        name="any Host in development",
        breaks="a page on the internet calls the development server by DNS rebinding",
        file="server/origins.py",
        old="    if name in LOOPBACK or name == configured:\n",
        new="    if name:\n",
        tests=(f"{ORIGINS}::test_development_refuses_a_foreign_host",),
    ),
    Bug(
        name="sockets of any page",
        breaks="another page subscribes as the user",
        file="server/origins.py",
        old="            if is_foreign or not is_allowed:\n",
        new="            if False:\n",
        tests=(f"{ORIGINS}::test_a_socket_of_another_page_is_refused",),
    ),
    Bug(
        name="a body without a declared length",
        breaks="it fills the memory",
        file="server/limits.py",
        old="        if self._bytes > self._most_bytes:\n",
        new="        if False:\n",
        tests=(f"{LIMITS}::test_a_body_without_a_length_is_limited_too",),
    ),
    Bug(
        name="a queue without an end",
        breaks="under overload every client waits until it has given up",
        file="runtime/client_threads.py",
        old="        if self._waiting.qsize() >= self._most_waiting:\n",
        new="        if False:\n",
        tests=(f"{LIMITS}::test_a_long_queue_is_refused",),
    ),
    Bug(
        name="calls of clients that have left",
        breaks="after a pile-up the server works for nobody",
        file="runtime/call_executor.py",
        old="    if not is_wanted():\n",
        new="    if False:\n",
        tests=(f"{LIMITS}::test_a_call_is_dropped_if_its_client_leaves_before_it_begins",),
    ),
    Bug(
        name="errors in full in production",
        breaks="clients read statements, paths and secrets",
        file="server/envelope.py",
        old="    if not debug:\n        return Described(first)\n",
        new="",
        tests=(f"{ERRORS}::test_nothing_of_a_plain_error_reaches_a_client",),
    ),
    Bug(
        name="errors of nested calls for clients",
        breaks="clients read the names of internal functions",
        file="server/envelope.py",
        old="    return bool(frames) and",
        new="    return not frames and",
        tests=(f"{ERRORS}::test_a_wrong_call_within_a_handler_tells_nothing",),
    ),
    Bug(
        name="the exit of a handler",
        breaks="sys.exit() in a function ends the server",
        file="server/envelope.py",
        old="RAISED: Final = (Exception, SystemExit, GeneratorExit)",
        new="RAISED: Final = (Exception,)",
        tests=(f"{ERRORS}::test_nothing_of_a_plain_error_reaches_a_client",),
    ),
    Bug(
        name="a key over HTTP that is not passed on",
        breaks="a client that sends again pays twice",
        file="server/http_api.py",
        old="request_key=key)",
        new="request_key=None)",
        tests=("tests/promises/test_http_calls.py::test_a_key_makes_a_mutation_happen_once",),
    ),
    Bug(
        name="routes that are functions as well",
        breaks="a client calls a webhook without its request, past its signature",
        file="functions/registry.py",
        old=" if not isinstance(each, HttpRoute)}",
        new="}",
        tests=(f"{ROUTES}::test_no_call_by_name_reaches_a_route",),
    ),
    Bug(
        name="paths as they come in the log",
        breaks="a client forges lines of the log",
        file="server/access_log.py",
        old='path = quote(scope["path"][:LONGEST_PATH], safe=PLAIN)',
        new='path = scope["path"]',
        tests=("tests/server/test_access_log.py::test_no_path_forges_a_line",),
    ),
)

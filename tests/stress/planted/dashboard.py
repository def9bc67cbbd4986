"""Bugs in the dashboard's access: who gets in, what a read-only key may do, which pages may call, what is left open."""

from __future__ import annotations

from typing import Final

from .bug import Bug

ACCESS: Final = "tests/server/test_dashboard_access.py"
READ_ONLY: Final = "tests/server/test_dashboard_read_only.py"
SOCKETS: Final = "tests/server/test_dashboard_sockets.py"
FILES: Final = "tests/server/test_dashboard_files.py"
LOAD: Final = "tests/server/test_dashboard_load.py"
METRICS: Final = "tests/server/test_metrics.py"
GATE: Final = "server/dashboard_gate.py"
SESSIONS: Final = "server/dashboard_sessions.py"
LOGIN: Final = "server/dashboard_login.py"
PAGES: Final = "server/dashboard.py"

DASHBOARD: Final = (
    Bug(
        name="a dashboard that is open in production",
        breaks="every user of the machine changes jobs and rows",
        file=GATE,
        old="        if not self._settings.debug or connection.client is None:\n",
        new="        if connection.client is None:\n",
        tests=(f"{ACCESS}::test_production_on_this_machine_needs_a_key",),
    ),
    Bug(
        name="a dashboard that is open to the network in development",
        breaks="who shares the network changes jobs and rows",
        file=GATE,
        old="is_loopback(connection.client.host) and host is not None",
        new="host is not None",
        tests=(f"{ACCESS}::test_development_from_elsewhere_needs_a_key",),
    ),
    Bug(
        name="a tunnel to the dashboard of development",
        breaks="a tunnel, whose requests come from this machine, opens the dashboard to the internet",
        file=GATE,
        old="return is_near and not any(name in connection.headers for name in FORWARDED)",
        new="return is_near",
        tests=(f"{ACCESS}::test_development_from_elsewhere_needs_a_key",),
    ),
    Bug(
        name="pages of the dashboard without a session",
        breaks="it does not ask for a key",
        file=PAGES,
        old="        if await self._gate.find(request) is not None:\n            return HTMLResponse(with_base(",
        new="        if True:\n            return HTMLResponse(with_base(",
        tests=(f"{ACCESS}::test_without_a_key_there_is_nothing_but_the_page_that_asks_for_one",),
    ),
    Bug(
        name="a session that is not signed",
        breaks="who knows a key's id makes a session of it, or prolongs his own",
        file=SESSIONS,
        old="if key is None or not hmac.compare_digest(signature, self._signature(key_id, expires, digest)):",
        new="if key is None:",
        tests=(f"{ACCESS}::test_a_changed_cookie_is_no_session",),
    ),
    Bug(
        name="a session that outlives its key",
        breaks="a key with the id of one that was revoked takes its sessions over",
        file=SESSIONS,
        old='        signed = f"{key_id}.{expires}.{digest}".encode()\n',
        new='        signed = f"{key_id}.{expires}".encode()\n',
        tests=(f"{ACCESS}::test_a_session_ends_with_its_key_at_once",),
    ),
    Bug(
        name="a session without an end",
        breaks="a cookie that was stolen is good for as long as the key",
        file=SESSIONS,
        old="        if self._clock.now() >= end:\n",
        new="        if False:\n",
        tests=(f"{ACCESS}::test_a_session_ends_after_twelve_hours",),
    ),
    Bug(
        name="an open page that outlives its key",
        breaks="who had a key goes on to look and to change until he leaves",
        file="server/sync_connection.py",
        old="        if self._principal.key_id is not None:\n            self._watch_principal(self._principal)\n",
        new="",
        tests=(
            f"{SOCKETS}::test_a_socket_ends_when_its_key_is_revoked",
            f"{SOCKETS}::test_a_socket_ends_with_its_session",
        ),
    ),
    Bug(
        name="a cookie that scripts read",
        breaks="any script of the origin takes the session",
        file=LOGIN,
        old='"httponly": True',
        new='"httponly": False',
        tests=(f"{ACCESS}::test_the_cookie_is_for_the_dashboard_only",),
    ),
    Bug(
        name="a cookie without Secure",
        breaks="a browser sends the session without TLS",
        file=LOGIN,
        old='is_secure = request.url.scheme == "https" or origin.startswith("https://")',
        new="is_secure = bool(origin) and False",
        tests=(f"{ACCESS}::test_the_cookie_is_secure_where_the_page_is",),
    ),
    Bug(
        name="a login that leads to another server",
        breaks="a link to the dashboard's login ends at a page that asks for the key again",
        file=LOGIN,
        old='ADDRESS: Final = re.compile(r"/(?![/\\\\])[^\\\\]*|[^/\\\\][^\\\\]*")',
        new='ADDRESS: Final = re.compile(r".*", re.DOTALL)',
        tests=(f"{ACCESS}::test_after_the_login_one_is_where_one_wanted_to_be",),
    ),
    Bug(
        name="requests of other pages with a session",
        breaks="a page of the same site cancels jobs as the admin",
        file=GATE,
        old="    if not is_own_page(connection):\n        raise Refused",
        new="    if False:\n        raise Refused",
        tests=(f"{ACCESS}::test_only_the_dashboards_own_pages_may_post",),
    ),
    Bug(
        name="forms of other pages with a session",
        breaks="browsers that do not say where a form comes from send it with the session",
        file=GATE,
        old="        if OWN_HEADER not in connection.headers:\n",
        new="        if False:\n",
        tests=(f"{ACCESS}::test_only_the_dashboards_own_pages_may_post",),
    ),
    Bug(
        name="sockets of other pages with a session",
        breaks="a page of the same site reads and changes everything as the admin",
        file=GATE,
        old='        if not is_own_page(connection):\n            raise AuthFailed(403, "OriginNotAllowed"',
        new='        if False:\n            raise AuthFailed(403, "OriginNotAllowed"',
        tests=(f"{ACCESS}::test_a_socket_of_another_page_is_refused_with_a_session",),
    ),
    Bug(
        name="a read-only key that writes",
        breaks="who may only look cancels jobs",
        file="runtime/call_executor.py",
        old="        if admin is not None and admin.is_read_only and function.kind is not Kind.QUERY:\n",
        new="        if False:\n",
        tests=(
            f"{READ_ONLY}::test_a_read_only_key_calls_queries_over_the_api_and_nothing_else",
            f"{READ_ONLY}::test_a_read_only_session_calls_queries_and_nothing_else",
            f"{READ_ONLY}::test_a_read_only_socket_calls_queries_and_nothing_else",
        ),
    ),
    Bug(
        name="a read-only key that acts as a user of a route",
        breaks="who may only look orders in the name of any user",
        file="server/routes.py",
        old="        if principal.admin is not None and principal.admin.is_read_only:\n",
        new="        if False:\n",
        tests=(f"{READ_ONLY}::test_a_read_only_key_is_no_user_of_a_route",),
    ),
    Bug(
        name="a read-only key that is stored as another one",
        breaks="every key writes",
        file="_system/keys.py",
        old="stored.StoredKey(key_id, name, ctx.now, read_only)",
        new="stored.StoredKey(key_id, name, ctx.now)",
        tests=(f"{READ_ONLY}::test_a_read_only_session_calls_queries_and_nothing_else",),
    ),
    Bug(
        name="secrets of the framework among the rows of its tables",
        breaks="who may only look makes a session of any key",
        file="database/data/catalog.py",
        old='    "_convexpy_metadata": frozenset(("value",)),\n',
        new="",
        tests=(f"{READ_ONLY}::test_a_read_only_key_reads_nothing_that_would_make_it_another_one",),
    ),
    Bug(
        name="pages without a policy",
        breaks="a text of the app that is shown as markup runs as a script, with the rights of the admin",
        file=PAGES,
        old="                headers.update(HEADERS)\n",
        new="",
        tests=(f"{FILES}::test_every_answer_says_what_a_browser_may_do_with_it",),
    ),
    Bug(
        name="a dashboard that cannot be switched off",
        breaks="dashboard = false leaves a login that the internet may try keys at",
        file=PAGES,
        old="    if not backend.settings.dashboard:\n",
        new="    if False:\n",
        tests=(f"{FILES}::test_without_a_dashboard_all_of_it_is_not_found",),
    ),
    Bug(
        name="names with a slash in addresses",
        breaks="the page of a cron whose name has a slash loads no script",
        file=PAGES,
        old='    raw = scope.get("raw_path") or quote(scope["path"]).encode()\n',
        new='    raw = scope["path"].encode()\n',
        tests=(f"{FILES}::test_a_slash_that_is_a_part_of_a_name_is_none_of_the_address",),
    ),
    Bug(
        name="calls of the dashboard on the app's threads",
        breaks="who looks at the dashboard makes users wait",
        file="runtime/call_executor.py",
        old="return self.dashboard_threads if admin is not None and admin.is_dashboard else self.client_threads",
        new="return self.client_threads",
        tests=(f"{LOAD}::test_its_calls_run_on_threads_of_their_own",),
    ),
    Bug(
        name="queries of the dashboard without a time limit",
        breaks="a page of the dashboard reads for half a minute",
        file="runtime/transaction.py",
        old="return min(limit, DASHBOARD_LIMIT) if call.is_watching else limit",
        new="return limit",
        tests=(f"{LOAD}::test_queries_of_its_pages_have_a_time_limit_of_their_own",),
    ),
    Bug(
        name="live queries of the dashboard that never rest",
        breaks="with 500 jobs a second an open page takes a processor",
        file="live/refresh.py",
        old="rests=self._is_dashboard,",
        new="rests=False,",
        tests=(f"{LOAD}::test_its_live_queries_rest_and_those_of_the_app_do_not",),
    ),
    Bug(
        name="metrics for everybody",
        breaks="names of functions and figures of the business are public",
        file="server/metrics.py",
        old='        if self._backend.settings.metrics != "open" and not self._gate.is_open_to(request):\n',
        new="        if False:\n",
        tests=(f"{METRICS}::test_it_takes_an_admin_key",),
    ),
)

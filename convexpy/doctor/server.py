"""A PostgreSQL server's own settings: durability, failover, timeouts, isolation and privileges."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from .finding import Finding, about_time, note, ok, risk
from .target import Target

OLDEST: Final = 14
NEWEST: Final = 18
MANY_LOCKS: Final = 256


def check_version(target: Target) -> Iterator[Finding]:
    major, shown = target.version // 10_000, target.server["server_version"]
    seen = f"PostgreSQL {shown}"
    if major < OLDEST:
        yield risk("version", seen, f"convexpy is made for {OLDEST} and newer", "Upgrade the server")
    elif major > NEWEST:
        yield note("version", seen, f"convexpy was tested up to {NEWEST}", "Run your app's tests on it first")
    else:
        yield ok("version", seen)


def check_writable(target: Target) -> Iterator[Finding]:
    """Mutations need a server that takes writes."""
    if target.scalar("SELECT pg_is_in_recovery()"):
        yield risk(
            "role",
            "this server is a standby",
            "it takes no writes and no serializable transactions",
            "Let the URL name the primary; with several hosts, add ?target_session_attrs=read-write",
        )
    elif target.server["default_transaction_read_only"] == "on":
        yield risk(
            "role",
            "default_transaction_read_only is on",
            "every mutation fails",
            "Turn it off for this user: ALTER ROLE … SET default_transaction_read_only = off",
        )
    else:
        yield ok("role", "a primary that takes writes")


def check_durability(target: Target) -> Iterator[Finding]:
    """Commits must survive a power cut: a start that is lost lets an action run twice."""
    is_durable = True
    for name, why in (
        ("fsync", "a power cut can destroy the whole database"),
        ("full_page_writes", "a power cut can leave half-written pages behind"),
    ):
        if target.server[name] == "off":
            is_durable = False
            yield risk("durability", f"{name} is off", why, f"Set {name} = on")
    if target.server["synchronous_commit"] == "off":
        is_durable = False
        yield risk(
            "durability",
            "synchronous_commit is off",
            "acknowledged commits can be lost, and an action whose start is lost starts a second time",
            "Set synchronous_commit = on",
        )
    if is_durable:
        yield ok("durability", "fsync, full_page_writes and synchronous_commit are on")


def check_failover(target: Target) -> Iterator[Finding]:
    """A standby that takes over must have every acknowledged commit."""
    names, level = target.server["synchronous_standby_names"], target.server["synchronous_commit"]
    standbys = target.scalar("SELECT count(*) FROM pg_stat_replication")
    if not names:
        if standbys:
            yield note(
                "failover",
                f"{standbys} standby{'' if standbys == 1 else 's'} and no synchronous_standby_names",
                "a standby that takes over may lack the last commits, among them the start of an action",
                "Set synchronous_standby_names = 'ANY 1 (…)' if a standby may become the primary",
            )
        return
    if level in ("off", "local"):
        yield risk(
            "failover",
            f"synchronous_standby_names is {names!r}, but synchronous_commit is {level}",
            "no commit waits for a standby, so a standby that takes over may lack the last ones",
            "Set synchronous_commit = on",
        )
    elif not standbys:
        yield risk(
            "failover",
            f"synchronous_standby_names is {names!r}, and no standby is connected",
            "every commit waits for one",
            "Start the standby, or empty synchronous_standby_names",
        )
    else:
        yield ok("failover", f"commits wait for {names!r}")


def check_timeouts(target: Target) -> Iterator[Finding]:
    """The runtime limits its own transactions, not those of other programs."""
    name = "idle_in_transaction_session_timeout"
    idle = target.number(name) / 1000
    if idle == 0:
        yield note(
            "timeouts",
            f"{name} is off",
            "an idle transaction of another program holds its locks without end",
            f"ALTER DATABASE … SET {name} = '1min'",
        )
    else:
        yield ok("timeouts", f"{name} is {about_time(idle)}")
    lock = target.number("lock_timeout") / 1000
    waits = about_time(lock) if lock else "off"
    ours = about_time(target.settings.lock_timeout.total_seconds())
    yield ok("timeouts", f"lock_timeout is {waits}; convexpy sets {ours} for each of its transactions")


def check_isolation(target: Target) -> Iterator[Finding]:
    name = "default_transaction_isolation"
    if (level := target.server[name]) == "read committed":
        yield ok("isolation", f"{name} is {level}; mutations set serializable themselves")
    elif level == "serializable":
        yield risk(
            "isolation",
            f"{name} is {level}",
            "every read of other programs takes part in conflicts, and fills slots that convexpy does not count",
            f"Leave {name} at read committed: convexpy sets the level of each transaction",
        )
    else:
        why = "mutations set serializable themselves, and other programs see other data than they expect"
        yield note("isolation", f"{name} is {level}", why, f"Leave {name} at read committed")


def check_predicate_locks(target: Target) -> Iterator[Finding]:
    name = "max_pred_locks_per_transaction"
    if (locks := target.number(name)) >= MANY_LOCKS:
        yield ok("predicate locks", f"{name} is {locks}")
    else:
        yield note(
            "predicate locks",
            f"{name} is {locks}",
            "a transaction that reads many rows locks the whole table, and conflicts with every writer",
            f"Set {name} = {MANY_LOCKS} and restart the server",
        )


def check_privileges(target: Target) -> Iterator[Finding]:
    user = target.scalar("SELECT current_user")
    if target.scalar("SELECT rolsuper FROM pg_roles WHERE rolname = current_user"):
        yield note(
            "privileges",
            f"{user} is a superuser",
            "a stolen password or an injected statement controls the whole server",
            "Make a user that owns nothing but this database: CREATE ROLE … LOGIN; ALTER DATABASE … OWNER TO …",
        )
    else:
        yield ok("privileges", f"{user} is not a superuser")

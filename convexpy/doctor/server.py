"""A PostgreSQL server's own settings: does it keep what was committed, and does it let go of what was lost?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from .finding import Finding, about_time, note, ok, risk
from .target import Target

OLDEST: Final = 14
NEWEST: Final = 18
MANY_LOCKS: Final = 256


def check_version(patient: Target) -> Iterator[Finding]:
    major, shown = patient.version // 10_000, patient.server["server_version"]
    seen = f"PostgreSQL {shown}"
    if major < OLDEST:
        yield risk("version", seen, f"convexpy is made for {OLDEST} and newer", "Upgrade the server")
    elif major > NEWEST:
        yield note("version", seen, f"convexpy was tested up to {NEWEST}", "Run your app's tests on it first")
    else:
        yield ok("version", seen)


def check_writable(patient: Target) -> Iterator[Finding]:
    """A server that takes no writes runs no mutations."""
    if patient.ask("SELECT pg_is_in_recovery()"):
        yield risk(
            "role",
            "this server is a standby",
            "it can neither be written nor be read serializably",
            "Let the URL name the primary; with several hosts, add ?target_session_attrs=read-write",
        )
    elif patient.server["default_transaction_read_only"] == "on":
        yield risk(
            "role",
            "default_transaction_read_only is on",
            "every mutation will fail",
            "Turn it off for this user: ALTER ROLE … SET default_transaction_read_only = off",
        )
    else:
        yield ok("role", "a primary that can be written")


def check_durability(patient: Target) -> Iterator[Finding]:
    """What is committed must survive a power cut, or an action may start twice."""
    sound = True
    for name, why in (
        ("fsync", "a power cut can destroy the whole database"),
        ("full_page_writes", "a power cut can leave half-written pages behind"),
    ):
        if patient.server[name] == "off":
            sound = False
            yield risk("durability", f"{name} is off", why, f"Set {name} = on")
    if patient.server["synchronous_commit"] == "off":
        sound = False
        yield risk(
            "durability",
            "synchronous_commit is off",
            "commits that were acknowledged can be lost, and an action whose start is forgotten starts a second time",
            "Set synchronous_commit = on",
        )
    if sound:
        yield ok("durability", "fsync, full_page_writes and synchronous_commit are on")


def check_failover(patient: Target) -> Iterator[Finding]:
    """A standby that takes over must have every commit that was acknowledged."""
    names, level = patient.server["synchronous_standby_names"], patient.server["synchronous_commit"]
    standbys = patient.ask("SELECT count(*) FROM pg_stat_replication")
    if not names:
        if standbys:
            yield note(
                "failover",
                f"{standbys} standby{'' if standbys == 1 else 's'} and no synchronous_standby_names",
                "a standby that takes over may lack the last commits, and with them that an action started",
                "Set synchronous_standby_names = 'ANY 1 (…)' if a standby may become the primary",
            )
        return
    if level in ("off", "local"):
        yield risk(
            "failover",
            f"synchronous_standby_names is {names!r}, but synchronous_commit is {level}",
            "no commit waits for a standby, so one that takes over may lack the last of them",
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


def check_timeouts(patient: Target) -> Iterator[Finding]:
    """The runtime limits its own transactions; those of other programs hold locks for as long as they like."""
    name = "idle_in_transaction_session_timeout"
    idle = patient.number(name) / 1000
    if idle == 0:
        yield note(
            "timeouts",
            f"{name} is off",
            "convexpy limits its own transactions, but a forgotten one of another program holds its locks for ever",
            f"ALTER DATABASE … SET {name} = '1min'",
        )
    else:
        yield ok("timeouts", f"{name} is {about_time(idle)}")
    lock = patient.number("lock_timeout") / 1000
    waits = about_time(lock) if lock else "off"
    ours = about_time(patient.settings.lock_timeout.total_seconds())
    yield ok("timeouts", f"lock_timeout is {waits}; convexpy sets {ours} for each of its transactions")


def check_isolation(patient: Target) -> Iterator[Finding]:
    name = "default_transaction_isolation"
    if (level := patient.server[name]) == "read committed":
        yield ok("isolation", f"{name} is {level}; mutations ask for serializable themselves")
    elif level == "serializable":
        yield risk(
            "isolation",
            f"{name} is {level}",
            "every look of other programs takes part in conflicts, and fills slots that nobody counts",
            f"Leave {name} at read committed: convexpy asks for what it needs in each transaction",
        )
    else:
        why = "mutations ask for serializable themselves, and other programs see other data than they expect"
        yield note("isolation", f"{name} is {level}", why, f"Leave {name} at read committed")


def check_predicate_locks(patient: Target) -> Iterator[Finding]:
    name = "max_pred_locks_per_transaction"
    if (locks := patient.number(name)) >= MANY_LOCKS:
        yield ok("predicate locks", f"{name} is {locks}")
    else:
        yield note(
            "predicate locks",
            f"{name} is {locks}",
            "a transaction that reads more than it holds locks for is locked by the table, and conflicts with everyone",
            f"Set {name} = {MANY_LOCKS} and restart the server",
        )


def check_privileges(patient: Target) -> Iterator[Finding]:
    user = patient.ask("SELECT current_user")
    if patient.ask("SELECT rolsuper FROM pg_roles WHERE rolname = current_user"):
        yield note(
            "privileges",
            f"{user} is a superuser",
            "whoever gets its password, or one injected statement, owns the whole server",
            "Make a user that owns nothing but this database: CREATE ROLE … LOGIN; ALTER DATABASE … OWNER TO …",
        )
    else:
        yield ok("privileges", f"{user} is no superuser")

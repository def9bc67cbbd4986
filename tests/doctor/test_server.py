"""What the doctor says about a PostgreSQL server: each finding on a server that has that trouble, and none without."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from servers.postgres import QUICK, Server

from convexpy.database.postgres.serializable_limit import count_slots
from convexpy.database.tables import queue
from convexpy.doctor import indexes
from convexpy.doctor import queue as queue_checks
from convexpy.doctor.slots import rate_locks, rate_slots
from convexpy.errors import DatabaseError
from convexpy.settings import Settings

from .conftest import Database
from .relay import as_a_pooler, as_it_is, relay

MANY = 10_001


def test_a_server_in_order_has_neither_risks_nor_notes(good: Database) -> None:
    assert [finding for finding in good.findings() if finding.mark != "ok"] == []
    assert {finding.about for finding in good.findings()} >= {"durability", "serializable", "clock", "notifications"}


@pytest.mark.parametrize(
    ("mark", "about", "words"),
    [
        ("ok", "version", "PostgreSQL 1"),
        ("risk", "durability", "fsync is off"),
        ("risk", "durability", "full_page_writes is off"),
        ("risk", "durability", "synchronous_commit is off"),
        ("risk", "failover", "'nobody', but synchronous_commit is off"),
        ("risk", "isolation", "default_transaction_isolation is serializable"),
        ("note", "predicate locks", "max_pred_locks_per_transaction is 64"),
        ("note", "timeouts", "idle_in_transaction_session_timeout is off"),
        ("note", "keepalives", "2.2 h"),
        ("note", "privileges", "postgres is a superuser"),
        ("risk", "tables", "`convexpy db upgrade`"),
    ],
)
def test_every_bad_setting_is_found(bad: Database, mark: str, about: str, words: str) -> None:
    found = bad.findings(about)
    assert any(finding.mark == mark and words in finding.sentence for finding in found), found


def test_a_standby_is_a_risk_and_commits_that_do_not_wait_are_noted(tmp_path: Path) -> None:
    from .conftest import running

    for primary in running({**QUICK, "synchronous_commit": "on"}):
        standby = Server(primary.folder / "standby", settings=primary.settings)
        standby.copy_of(primary)
        standby.start()
        try:
            (role,) = Database(standby.url()).findings("role")
            (failover,) = Database(primary.url()).findings("failover")
            with psycopg.connect(primary.dsn(), autocommit=True) as connection:
                connection.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
                connection.execute("SELECT pg_reload_conf()")
                connection.execute("CREATE TABLE waits_for_the_standby ()")
            (waits,) = Database(primary.url()).findings("failover")
        finally:
            standby.stop("immediate")
        (alone,) = Database(primary.url()).findings("failover")
    assert (role.mark, failover.mark, waits.mark, alone.mark) == ("risk", "note", "ok", "risk")
    assert "1 standby and no synchronous_standby_names" in failover.seen
    assert "no standby is connected" in alone.seen


def test_a_database_that_only_reads_by_default(good: Database) -> None:
    good.run(f"ALTER DATABASE {good.url.database} SET default_transaction_read_only = on")
    (role,) = good.findings("role")
    assert role.mark == "risk"


def plain(database: Database, port: int) -> str:
    """The same database through another port, without encryption."""
    options = {"sslmode": "disable", "gssencmode": "disable"}
    return database.url.set(port=port).update_query_dict(options).render_as_string()


def test_a_pooler_is_recognised_and_so_is_that_it_swallows_notifications(good: Database) -> None:
    with relay(good.url.port or 0, as_a_pooler) as port:
        through = Database(plain(good, port))
        (pooler,) = through.findings("pooler")
        (notifications,) = through.findings("notifications")
    assert pooler.mark == "note"
    assert "it reports process 77" in pooler.seen
    assert notifications.mark == "note"


def test_a_plain_relay_is_not_called_a_pooler(good: Database) -> None:
    with relay(good.url.port or 0, as_it_is) as port:
        (pooler,) = Database(plain(good, port)).findings("pooler")
    assert pooler.mark == "note"
    assert "relayed" in pooler.seen


@pytest.mark.parametrize(("seconds", "mark"), [(20, "note"), (-300, "risk")])
def test_clocks_that_are_apart(good: Database, seconds: int, mark: str) -> None:
    # The server's own function is hidden by one that goes wrong, as its clock would.
    good.run(
        "CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql "
        f"AS $$ SELECT pg_catalog.clock_timestamp() + interval '{seconds} s' $$",
        f"ALTER DATABASE {good.url.database} SET search_path = public, pg_catalog",
    )
    (clock,) = good.findings("clock")
    assert clock.mark == mark
    assert ("20 s" if seconds == 20 else "5 min") in clock.seen


def test_a_serializable_transaction_of_another_program(good: Database) -> None:
    with good.connect() as other:
        other.execute("CREATE TABLE things (id int PRIMARY KEY)")
        other.execute("BEGIN ISOLATION LEVEL SERIALIZABLE")
        other.execute("SELECT * FROM things")
        short = Settings(mutation_time_limit=timedelta(microseconds=1))
        marks = [finding.mark for finding in good.findings("serializable", short) if "is open for" in finding.seen]
        assert marks == ["risk"]
        assert [each for each in good.findings("serializable") if "is open for" in each.seen] == []
        other.execute("ROLLBACK")
        other.execute("BEGIN")
        other.execute("SELECT * FROM things")
        assert [each for each in good.findings("serializable", short) if "is open for" in each.seen] == []


@pytest.mark.parametrize(("limit", "mark"), [("OLD_SECONDS", "note"), ("VERY_OLD_SECONDS", "risk")])
def test_an_old_transaction_is_named(good: Database, limit: str, mark: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_checks, "OLD_SECONDS", 0.0)
    monkeypatch.setattr(queue_checks, limit, 0.0)
    with good.connect() as other:
        other.execute("SET application_name = 'report'")
        other.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        other.execute("SELECT 1")
        (oldest,) = good.findings("oldest transaction")
        assert (oldest.mark, f"process {other.info.backend_pid} of report" in oldest.seen) == (mark, True)


@pytest.mark.parametrize(("limit", "mark"), [(MANY, "note"), (1, "risk")])
def test_dead_rows_of_the_queue(bad: Database, limit: int, mark: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_checks, "TOO_MANY_DEAD", limit)
    bad.migrate()
    with bad.connect() as other:
        other.execute(
            "INSERT INTO _convexpy_queue (job_id, kind, due_time, position) "
            f"SELECT n::text, 'mutation', now(), n FROM generate_series(1, {MANY}) AS n"
        )
        other.execute("DELETE FROM _convexpy_queue")
        other.execute("SELECT pg_stat_force_next_flush()")
    (dead,) = bad.findings("queue")
    assert (dead.mark, f"{MANY:,} dead rows" in dead.seen) == (mark, True)


def test_a_second_schema_with_a_queue_of_its_own_is_another_app(good: Database) -> None:
    good.run("CREATE SCHEMA other", "CREATE TABLE other._convexpy_queue (job_id INTEGER)")
    assert [finding.mark for finding in good.findings("queue")] == ["ok"]
    assert not [finding for finding in good.findings() if "this check failed" in finding.seen]


def test_a_user_who_may_not_see_the_transactions_of_others_is_told_so(good: Database) -> None:
    with good.connect() as connection:
        connection.execute("REVOKE pg_read_all_stats FROM ordinary")
        try:
            (oldest,) = good.findings("oldest transaction")
        finally:
            connection.execute("GRANT pg_read_all_stats TO ordinary")
    assert (oldest.mark, "cannot be seen" in oldest.seen) == ("note", True)


def test_jobs_that_wait_for_workers(good: Database) -> None:
    hour = timedelta(hours=1)
    with good.engine.begin() as connection:
        due = {"kind": "mutation", "due_time": datetime.now(UTC) - hour, "position": 1, "job_id": "late"}
        connection.execute(queue.insert().values(due))
    (due_jobs,) = good.findings("due jobs")
    assert (due_jobs.mark, "1 job waiting, the oldest due for 60 min" in due_jobs.seen) == ("note", True)
    good.run("DELETE FROM _convexpy_workers")
    (alone,) = good.findings("workers")
    assert (alone.mark, "no worker is alive, and 1 job is due" in alone.seen) == ("risk", True)
    good.add_worker(heartbeat=datetime.now(UTC) - hour)
    silent = good.findings("workers")[1]
    assert (silent.mark, "1 worker silent" in silent.seen) == ("note", True)


def test_a_foreign_key_without_an_index_is_named_with_what_to_write(good: Database) -> None:
    good.run(
        "CREATE TABLE items (id int PRIMARY KEY)",
        "CREATE TABLE orders (id int PRIMARY KEY, item_id int REFERENCES items, other_id int REFERENCES items)",
        "CREATE INDEX ON orders (other_id)",
    )
    (missing,) = good.findings("indexes")
    assert (missing.mark, missing.seen) == ("note", "orders: the foreign key item_id has no index")
    assert missing.todo == "Write mapped_column(…, index=True) for item_id"
    good.run("CREATE INDEX ON orders (id, item_id)")  # finds nothing by the second column alone
    assert [finding.mark for finding in good.findings("indexes")] == ["note"]
    good.run("CREATE INDEX ON orders (item_id, id)")
    assert [finding.mark for finding in good.findings("indexes")] == ["ok"]


def test_a_table_that_is_read_from_end_to_end(good: Database) -> None:
    good.run("CREATE TABLE items (id int PRIMARY KEY, name text)", "INSERT INTO items VALUES (1, 'tea')")
    with good.connect() as other:
        for _ in range(indexes.MANY_SCANS):
            other.execute("SELECT * FROM items WHERE name = 'tea'")
        other.execute("SELECT pg_stat_force_next_flush()")
    (scanned,) = (finding for finding in good.findings("indexes") if "as a whole" in finding.seen)
    assert scanned.mark == "note"
    assert scanned.seen.startswith("items: read as a whole 5")


def test_a_busy_server_with_few_slots_is_at_risk(bad: Database) -> None:
    stopped = threading.Event()

    def hurry() -> None:
        with bad.connect() as connection:
            while not stopped.is_set():
                connection.execute("SELECT 1")

    thread = threading.Thread(target=hurry)
    thread.start()
    try:
        (busy,) = (finding for finding in bad.findings("serializable", seconds=2.5) if "slots" in finding.seen)
    finally:
        stopped.set()
        thread.join()
    assert busy.mark == "risk"
    assert "230 slots and mutations of up to 10 s are safe up to 23 transactions a second" in busy.seen
    (short,) = bad.findings("serializable", Settings(mutation_time_limit=timedelta(milliseconds=1)))
    assert short.mark == "ok"


def test_what_to_raise_is_enough() -> None:
    server = {
        "max_connections": "100",
        "autovacuum_max_workers": "3",
        "max_worker_processes": "8",
        "max_wal_senders": "10",
        "max_prepared_transactions": "0",
    }
    assert count_slots(server) == 1220
    assert [rate_slots(server, rate, 10).mark for rate in (61, 62, 122, 123)] == ["ok", "note", "note", "risk"]
    assert "max_connections = 978 " in rate_slots(server, 500, 10).todo
    assert rate_slots({**server, "max_connections": "978"}, 500, 10).mark == "ok"
    assert rate_slots({**server, "max_connections": "977"}, 500, 10).mark == "note"


def test_too_few_predicate_locks_are_a_risk_and_what_to_set_is_enough() -> None:
    server = {
        "max_connections": "100",
        "autovacuum_max_workers": "3",
        "max_worker_processes": "8",
        "max_wal_senders": "10",
        "max_prepared_transactions": "0",
        "max_pred_locks_per_transaction": "64",
    }
    assert [rate_locks(server, rate, 10).mark for rate in (97, 98, 3000)] == ["ok", "risk", "risk"]
    assert "= 3935 " in rate_locks(server, 3000, 10).todo
    assert rate_locks({**server, "max_pred_locks_per_transaction": "3935"}, 3000, 10).mark == "ok"


def test_a_server_that_is_not_there_is_an_error_without_the_password() -> None:
    nowhere = Database("postgresql://somebody:secret@127.0.0.1:1/none")
    with pytest.raises(DatabaseError, match="refused") as caught:
        nowhere.findings()
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("connections", "mark"), [(10, "ok"), (96, "note"), (195, "risk")])
def test_connections_that_the_workers_may_ask_for(good: Database, connections: int, mark: str) -> None:
    (budget,) = good.findings("connections", Settings(database_connections=connections))
    assert budget.mark == mark
    assert f"1 process of {connections + 4} may use {connections + 4}" in budget.seen


def test_a_limit_of_the_user_counts_too(good: Database) -> None:
    with good.connect() as connection:
        connection.execute("ALTER ROLE ordinary CONNECTION LIMIT 20")
        try:
            (budget,) = good.findings("connections", Settings(database_connections=17))
        finally:
            connection.execute("ALTER ROLE ordinary CONNECTION LIMIT -1")
    assert budget.mark == "risk"


def test_a_pooler_for_which_everything_is_set(good: Database) -> None:
    apart = Settings(prepared_statements=False, listen_notify=False)
    with relay(good.url.port or 0, as_a_pooler) as port:
        through = Database(plain(good, port))
        assert [finding.mark for finding in through.findings("pooler", apart)] == ["ok"]
        assert [finding.mark for finding in through.findings("notifications", apart)] == ["ok"]

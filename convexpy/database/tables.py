"""The framework's own tables.

A job is one row of ``_scheduled_functions`` for as long as it is remembered, one small row of ``_convexpy_queue``
until it is finished, and one small row of ``_convexpy_finished`` from then on. No index of the first table holds a
column that finishing a job changes, so transactions that finish different jobs have nothing to conflict about; the
claim's index holds nothing but what waits; and the purge finds the oldest without looking at the rest.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    false,
)

from .types import JobIdType, StoredJSON, Timestamp, TransactionId

metadata: Final = MetaData()
ALEMBIC_VERSION_TABLE: Final = "_convexpy_alembic_version"

jobs: Final = Table(
    "_scheduled_functions",
    metadata,
    Column("id", JobIdType, primary_key=True),
    Column("name", Text, nullable=False),
    Column("kind", String(8), nullable=False),
    Column("args", StoredJSON, nullable=False),
    Column("scheduled_time", Timestamp, nullable=False),
    Column("state_kind", String(10), nullable=False),
    Column("state_error", Text),
    Column("completed_time", Timestamp),
    Column("cron", Text),
    # The job whose run scheduled this one.
    Column("parent", JobIdType),
    Column("attempts", Integer, nullable=False),
    Column("last_error", Text),
    Column("next_try", Timestamp),
    Column("started_time", Timestamp),
    Column("state_trace", Text),
    # The request whose call scheduled it, and what else is known of that call, as JSON. None: a job or a cron did.
    Column("request", Text),
    Column("origin", Text),
)
for _column in (jobs.c.parent, jobs.c.request):
    _present = _column.is_not(None)
    Index(f"_scheduled_functions_by_{_column.name}", _column, sqlite_where=_present, postgresql_where=_present)
Index("_scheduled_functions_by_name", jobs.c.name, jobs.c.scheduled_time)
Index(
    "_scheduled_functions_by_cron",
    jobs.c.cron,
    jobs.c.scheduled_time,
    sqlite_where=jobs.c.cron.is_not(None),
    postgresql_where=jobs.c.cron.is_not(None),
)

queue: Final = Table(
    "_convexpy_queue",
    metadata,
    Column("job_id", JobIdType, primary_key=True),
    Column("kind", String(8), nullable=False),
    Column("due_time", Timestamp, nullable=False),
    # Among jobs due at the same instant, the one scheduled first is claimed first.
    Column("position", BigInteger, nullable=False),
    # The worker that claimed the job, and a token that is fresh for every claim.
    Column("worker", String(32)),
    Column("claim_token", String(32)),
    # Set, durably, before the first line of an action runs: from here on it is never started again.
    Column("run_token", String(32)),
)
Index(
    "_convexpy_queue_unclaimed",
    queue.c.kind,
    queue.c.due_time,
    queue.c.position,
    sqlite_where=queue.c.worker.is_(None),
    postgresql_where=queue.c.worker.is_(None),
)
Index(
    "_convexpy_queue_claimed",
    queue.c.worker,
    sqlite_where=queue.c.worker.is_not(None),
    postgresql_where=queue.c.worker.is_not(None),
)

finished: Final = Table(
    "_convexpy_finished",
    metadata,
    Column("state_kind", String(10), nullable=False),
    Column("completed_time", Timestamp, nullable=False),
    Column("job_id", JobIdType, nullable=False),
    PrimaryKeyConstraint("state_kind", "completed_time", "job_id"),
    sqlite_with_rowid=False,
)

workers: Final = Table(
    "_convexpy_workers",
    metadata,
    Column("id", String(32), primary_key=True),
    # When it began to run the version of the app that it runs now.
    Column("started_time", Timestamp, nullable=False),
    Column("heartbeat_time", Timestamp, nullable=False),
    # The machine, its boot and its process namespace: where `pid` means something.
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    # The crons that it declares: schedule, function and arguments by name.
    Column("crons", StoredJSON),
)

crons: Final = Table(
    "_convexpy_crons",
    metadata,
    Column("name", Text, primary_key=True),
    Column("schedule", Text, nullable=False),
    Column("function", Text, nullable=False),
    Column("args", StoredJSON, nullable=False),
    # The slot that fires next, the one that fired last, and the job that it became.
    Column("next_time", Timestamp, nullable=False, index=True),
    Column("last_time", Timestamp),
    Column("last_job", JobIdType),
    # A paused cron runs again from `paused_until` on. None: it is not paused.
    Column("paused_time", Timestamp),
    Column("paused_until", Timestamp),
    Column("paused_by", Text),
    Column("pause_note", Text),
)

# The last runs of each cron, and the slots that it left out. They outlive the retention of jobs.
cron_runs: Final = Table(
    "_convexpy_cron_runs",
    metadata,
    Column("cron", Text, primary_key=True),
    Column("slot_time", Timestamp, primary_key=True),
    Column("job_id", JobIdType),
    Column("started_time", Timestamp),
    Column("seconds", Float),
    # `success`, `failed`, `canceled`, or `skipped` for the reason.
    Column("outcome", String(10), nullable=False),
    Column("reason", Text),
)

# The commit log. A row travels in the transaction that it describes, so it exists if and only if the writes do.
commits: Final = Table(
    "_convexpy_commits",
    metadata,
    # SQLite: the order of the commits. PostgreSQL: the transaction's id, from which no order follows. There it is not
    # unique, because the rows of a restored dump have the ids of another server.
    Column(
        "position",
        BigInteger().with_variant(Integer, "sqlite"),
        nullable=False,
        autoincrement=False,
        server_default=TransactionId(),
    ),
    # None: the row is no receipt. No one asks whether its transaction was committed.
    Column("id", String(32)),
    # Of an older design, and always None: answered requests have a table of their own, `_convexpy_requests`.
    Column("session", Text),
    Column("request", BigInteger),
    # The function whose call it was, the first one of a batch. None: the framework's own transaction.
    Column("function", Text),
    # What was written, as JSON: tables, and keys of rows. None: any table may have been.
    Column("writes", Text),
    PrimaryKeyConstraint("position").ddl_if(dialect="sqlite"),
)
Index("_convexpy_commits_by_position", commits.c.position).ddl_if(dialect="postgresql")
Index(
    "_convexpy_commits_by_id",
    commits.c.id,
    unique=True,
    sqlite_where=commits.c.id.is_not(None),
    postgresql_where=commits.c.id.is_not(None),
)
Index(
    "_convexpy_commits_by_request",
    commits.c.session,
    commits.c.request,
    unique=True,
    sqlite_where=commits.c.session.is_not(None),
    postgresql_where=commits.c.session.is_not(None),
)

# Mutations that were run for clients, so that none runs again if its request is repeated.
requests: Final = Table(
    "_convexpy_requests",
    metadata,
    # The client's session, and the number of its request within it.
    Column("session", Text, primary_key=True),
    Column("request", BigInteger, primary_key=True, autoincrement=False),
    # A hash of identity, function and arguments.
    Column("digest", String(64), nullable=False),
    # None: it was too long to be kept.
    Column("result", LargeBinary),
    Column("time", Timestamp, nullable=False),
)
Index("_convexpy_requests_by_time", requests.c.time)

# Which function lost to which, on which table. Empty: it is not known.
conflicts: Final = Table(
    "_convexpy_conflicts",
    metadata,
    Column("function", Text, primary_key=True),
    Column("other_function", Text, primary_key=True),
    Column("table_name", Text, primary_key=True),
    Column("times", BigInteger, nullable=False),
    Column("last_time", Timestamp, nullable=False),
    # Those of both sides that met last, as JSON, as far as they are known.
    Column("statements", Text),
)

# What each process ran in each minute. An empty name of a function: all functions together.
minutes: Final = Table(
    "_convexpy_minutes",
    metadata,
    Column("minute", Timestamp, primary_key=True),
    Column("function", Text, primary_key=True),
    Column("process", String(32), primary_key=True),
    Column("calls", BigInteger, nullable=False),
    Column("failures", BigInteger, nullable=False),
    # Attempts after which the job was tried again.
    Column("retries", BigInteger, nullable=False),
    # Those of the calls, and of the failures, that were jobs.
    Column("jobs", BigInteger, nullable=False),
    Column("job_failures", BigInteger, nullable=False),
    # A histogram, as JSON.
    Column("durations", Text, nullable=False),
)

# Attempts of jobs that were rolled back: by a conflict, by an internal error, or as their worker was lost. When the
# lost one began is not known: at the earliest when it was due.
attempts: Final = Table(
    "_convexpy_attempts",
    metadata,
    Column("job_id", JobIdType, primary_key=True),
    Column("attempt", Integer, primary_key=True),
    Column("started_time", Timestamp, nullable=False),
    Column("seconds", Float, nullable=False),
    # `conflict`, `error` or `lost`.
    Column("outcome", String(10), nullable=False),
    Column("error", Text),
    # Of a conflict, where it is known: the function that it lost to, and the table.
    Column("lost_to", Text),
    Column("lost_on", Text),
)
Index("_convexpy_attempts_by_time", attempts.c.started_time)

# Failures, grouped by where they come from: function, exception, and place in the user's code.
errors: Final = Table(
    "_convexpy_errors",
    metadata,
    Column("fingerprint", String(16), primary_key=True),
    Column("function", Text, nullable=False),
    Column("exception", Text, nullable=False),
    Column("place", Text),
    # Of the last one.
    Column("message", Text, nullable=False),
    Column("job_id", JobIdType),
    Column("times", BigInteger, nullable=False),
    Column("first_time", Timestamp, nullable=False),
    Column("last_time", Timestamp, nullable=False),
    # The last column: it is long, and seldom read.
    Column("trace", Text),
)
Index("_convexpy_errors_by_time", errors.c.last_time)

error_minutes: Final = Table(
    "_convexpy_error_minutes",
    metadata,
    Column("minute", Timestamp, primary_key=True),
    Column("fingerprint", String(16), primary_key=True),
    Column("process", String(32), primary_key=True),
    Column("times", BigInteger, nullable=False),
)

# What each process with live queries says of them, as JSON.
live: Final = Table(
    "_convexpy_live",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("time", Timestamp, nullable=False),
    Column("queries", StoredJSON, nullable=False),
)

# The admin keys. A key is shown when it is made; only its digest is stored.
admin_keys: Final = Table(
    "_convexpy_keys",
    metadata,
    Column("id", String(12), primary_key=True),
    Column("name", Text, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("created_time", Timestamp, nullable=False),
    # Whether it only sees: it may call queries, and nothing that changes anything.
    Column("read_only", Boolean, nullable=False, server_default=false()),
)

# What was changed through the dashboard.
audit: Final = Table(
    "_convexpy_audit",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("time", Timestamp, nullable=False),
    # The name of the admin key, or `dev`.
    Column("actor", Text, nullable=False),
    # A verb, such as `cancel`, and what it was done to.
    Column("action", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("details", Text),
)
Index("_convexpy_audit_by_time", audit.c.time)

# Lines of the logs of processes, for as long as somebody looks at them by another one. A row has several, as JSON.
logs: Final = Table(
    "_convexpy_logs",
    metadata,
    Column("process", String(32), primary_key=True),
    # That of its last line.
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("time", Timestamp, nullable=False),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("lines", Text, nullable=False),
)
Index("_convexpy_logs_by_time", logs.c.time)

# What convexpy records about the database itself, such as the models that the user's tables were last made from.
metadata_table: Final = Table(
    "_convexpy_metadata",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", Text),
)

LOGS_WATCHED: Final = "logs_watched"
"""The key of the row that says by which process somebody looks at the logs, and since when."""

FRAMEWORK_TABLES: Final = frozenset({*metadata.tables, ALEMBIC_VERSION_TABLE})

"""A row for every change of a job's row, written by a trigger in the transaction that made the change."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection

POSTGRES: Final = (
    "CREATE TABLE audit (seq bigserial, job text, old text, new text, attempts int, at float8, xid bigint)",
    """
    CREATE FUNCTION note_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO audit (job, old, new, attempts, at, xid) VALUES (
            CASE WHEN TG_OP = 'DELETE' THEN OLD.id ELSE NEW.id END,
            CASE WHEN TG_OP = 'INSERT' THEN NULL ELSE OLD.state_kind END,
            CASE WHEN TG_OP = 'DELETE' THEN NULL ELSE NEW.state_kind END,
            CASE WHEN TG_OP = 'DELETE' THEN OLD.attempts ELSE NEW.attempts END,
            extract(epoch FROM clock_timestamp()), pg_current_xact_id()::text::bigint);
        RETURN NULL;
    END $$
    """,
    "CREATE TRIGGER note_change AFTER INSERT OR UPDATE OR DELETE ON _scheduled_functions "
    "FOR EACH ROW EXECUTE FUNCTION note_change()",
)
SQLITE_TABLE: Final = (
    "CREATE TABLE audit (seq INTEGER PRIMARY KEY, job TEXT, old TEXT, new TEXT, attempts INTEGER, at REAL, xid INTEGER)"
)
# What a row held before and after, as far as there is a before and an after.
SQLITE_VALUES: Final = {
    "INSERT": "new.id, NULL, new.state_kind, new.attempts",
    "UPDATE": "new.id, old.state_kind, new.state_kind, new.attempts",
    "DELETE": "old.id, old.state_kind, NULL, old.attempts",
}


def watch_jobs(connection: Connection) -> None:
    """Make the table and its triggers."""
    for statement in POSTGRES if connection.dialect.name == "postgresql" else sqlite():
        connection.exec_driver_sql(statement)


def sqlite() -> tuple[str, ...]:
    triggers = [
        f"CREATE TRIGGER note_{change.lower()} AFTER {change} ON _scheduled_functions BEGIN "
        "INSERT INTO audit (job, old, new, attempts, at) "
        f"VALUES ({values}, (julianday('now') - 2440587.5) * 86400.0 + 0.001); END"
        for change, values in SQLITE_VALUES.items()
    ]
    return (SQLITE_TABLE, *triggers)

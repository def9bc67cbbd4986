"""The statements that move jobs, built once: building one costs more than executing it."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    String,
    Text,
    any_,
    bindparam,
    case,
    cast,
    delete,
    func,
    insert,
    literal_column,
    select,
    true,
    tuple_,
    type_coerce,
    update,
)

from .claim import Claim
from .statement import Statement
from .tables import finished, jobs, queue, workers
from .types import Timestamp


def given(table: Any, *columns: str) -> dict[str, Any]:
    """Values for these columns, under their names."""
    return {name: bindparam(name, type_=table.c[name].type) for name in columns}


def values_of(name: str) -> Any:
    """The values of a JSON list that is given under this name, as SQLite reads it."""
    return func.json_each(bindparam(name, type_=Text)).table_valued("value").c.value


def after(prefix: str) -> Any:
    """What waits after a position, which is given as two values."""
    values = bindparam(f"{prefix}_time", type_=Timestamp), bindparam(f"{prefix}_position", type_=BigInteger)
    return tuple_(queue.c.due_time, queue.c.position) > tuple_(*values)


def next_due(kind: str, *conditions: Any) -> Any:
    return (
        select(queue.c.due_time)
        .where(queue.c.kind == kind, queue.c.worker.is_(None), *conditions)
        .order_by(queue.c.due_time, queue.c.position)
        .limit(1)
        .scalar_subquery()
        .label(kind)
    )


def is_known(names: Any) -> Any:
    """Whether a job in the queue is of none of these functions. Not a join, which the planner could turn round."""
    unknown = select(jobs.c.id).where(jobs.c.id == queue.c.job_id, jobs.c.name.in_(select(names)))
    return unknown.scalar_subquery().is_(None)


LEFT_OUT: Final = bindparam("left_out", type_=Text)
KNOWN_ON_SQLITE: Final = is_known(func.json_each(LEFT_OUT).table_valued("value").c.value)
KNOWN_ON_POSTGRES: Final = is_known(func.json_array_elements_text(cast(LEFT_OUT, JSON)))

# One statement for all kinds: an idle process executes nothing else all day.
KINDS: Final = ("mutation", "action")
NEXT_DUE: Final = Statement(select(*(next_due(kind) for kind in KINDS)))
NEXT_DUE_KNOWN: Final = Statement(select(*(next_due(kind, KNOWN_ON_SQLITE) for kind in KINDS)))
NEXT_DUE_AFTER: Final = Statement(select(*(next_due(kind, after(kind)) for kind in KINDS)))
NEXT_DUE_KNOWN_AFTER: Final = Statement(select(*(next_due(kind, after(kind), KNOWN_ON_POSTGRES) for kind in KINDS)))

# The longest due first. Those that another transaction is just claiming are skipped.
DUE: Final = (
    select(queue.c.job_id)
    .where(
        queue.c.kind == bindparam("of_kind"),
        queue.c.worker.is_(None),
        queue.c.due_time <= bindparam("now"),
    )
    .order_by(queue.c.due_time, queue.c.position)
    .limit(bindparam("limit"))
    .with_for_update(skip_locked=True)
)
CLAIMING: Final = update(queue).values(worker=bindparam("by_worker"), claim_token=bindparam("token"))
# As ``Claim`` has them. The arguments stay the text they were stored as: the function's own schema reads them.
CLAIMED: Final = (
    jobs.c.id.label("job_id"),
    bindparam("token", type_=String).label("token"),
    jobs.c.name,
    jobs.c.kind,
    type_coerce(jobs.c.args, Text).label("args"),
    (jobs.c.attempts + literal_column("1")).label("attempt"),
    jobs.c.scheduled_time,
    jobs.c.cron,
)

# A worker's row, kept until the end of the transaction.
KNOWN: Final = (
    select(workers.c.id).where(workers.c.id == bindparam("by_worker")).with_for_update(read=True, key_share=True)
)
IS_KNOWN: Final = Statement(KNOWN)

# On SQLite, rows are found by their rowid, which needs no index.
_rowid: Final = literal_column(f"{queue.name}.rowid", type_=BigInteger)


def claim_rows(due: Any) -> Statement:
    return Statement(
        CLAIMING.where(
            _rowid.in_(due.with_only_columns(_rowid).scalar_subquery()),
            select(workers.c.id).where(workers.c.id == bindparam("by_worker")).exists(),
        ).returning(_rowid.label("rowid"))
    )


CLAIM: Final = claim_rows(DUE)
CLAIM_KNOWN: Final = claim_rows(DUE.where(KNOWN_ON_SQLITE))
READ_CLAIMED: Final = Statement(
    select(*CLAIMED, queue.c.position, queue.c.due_time)
    .join(queue, queue.c.job_id == jobs.c.id)
    .where(_rowid.in_(select(values_of("rowids"))))
    .order_by(queue.c.due_time, queue.c.position),
    row=Claim,
)

# On PostgreSQL, a claim is one message. No part of it is a join, which the planner could turn round: the plan is kept
# while tables grow, and a table's statistics of a queue are wrong a moment later.
_known: Final = KNOWN.cte("known")
_row: Final[Any] = literal_column(f"{queue.name}.ctid")


def claim_and_read(due: Any) -> Statement:
    rows = func.array(due.where(after("after")).with_only_columns(_row).scalar_subquery())
    claimed = (
        CLAIMING.where(_row == any_(rows), select(_known.c.id).exists())
        .returning(queue.c.job_id, queue.c.due_time, queue.c.position)
        .cte("claimed")
    )
    read = select(*CLAIMED).where(jobs.c.id == claimed.c.job_id).offset(literal_column("0")).lateral("read")
    return Statement(
        select(*read.c, claimed.c.position, claimed.c.due_time)
        .select_from(claimed.join(read, true()))
        .order_by(claimed.c.due_time, claimed.c.position),
        row=Claim,
    )


CLAIM_AND_READ: Final = claim_and_read(DUE)
CLAIM_AND_READ_KNOWN: Final = claim_and_read(DUE.where(KNOWN_ON_POSTGRES))

# A claim that was not started, transaction under its token.
IS_CLAIMED: Final = (
    (queue.c.job_id == bindparam("of_job"))
    & (queue.c.claim_token == bindparam("of_claim"))
    & queue.c.run_token.is_(None)
)

LOCK: Final = Statement(select(queue.c.job_id).where(IS_CLAIMED).with_for_update())

START: Final = Statement(update(queue).where(IS_CLAIMED).values(run_token=bindparam("new_run")))

# After a COMMIT whose answer was lost: whether it was this very start, this very end, that was committed.
IS_STARTED: Final = Statement(
    select(queue.c.job_id).where(queue.c.job_id == bindparam("of_job"), queue.c.run_token == bindparam("of_run"))
)

STATE: Final = Statement(select(jobs.c.state_kind, jobs.c.state_error).where(jobs.c.id == bindparam("of_job")))

STARTED: Final = Statement(
    update(jobs)
    .where(jobs.c.id == bindparam("of_job"), jobs.c.state_kind == "pending")
    .values(state_kind="inProgress", started_time=bindparam("now"), attempts=jobs.c.attempts + 1, next_try=None)
)

GIVING_BACK: Final = update(queue).where(IS_CLAIMED).values(worker=None, claim_token=None)

GIVE_BACK: Final = Statement(GIVING_BACK)

GIVE_BACK_AS: Final = Statement(GIVING_BACK.values(kind=bindparam("new_kind")))

POSTPONE: Final = Statement(GIVING_BACK.values(due_time=bindparam("new_due")))

POSTPONED: Final = Statement(
    update(jobs)
    .where(jobs.c.id == bindparam("of_job"))
    .values(attempts=jobs.c.attempts + 1, last_error=bindparam("error"), next_try=bindparam("new_due"))
)

# Finishing: jobs leave the queue, get their end, and are listed among the finished. One path for a success or a
# failure, of one job or of all that a transaction has run, under the token of a claim or of a run.
# Job and token are compared as one: a worker may have run a job under a claim that it has lost, and hold it again under
# another one, whose token is that of the next job in the list.
_pair: Final = type_coerce(queue.c.job_id, String) + func.coalesce(queue.c.run_token, queue.c.claim_token)
ENDING: Final = (
    update(jobs)
    .where(jobs.c.state_kind.in_((literal_column("'pending'"), literal_column("'inProgress'"))))
    .values(
        state_kind=bindparam("end"),
        state_error=bindparam("error"),
        state_trace=bindparam("trace"),
        completed_time=bindparam("now"),
        next_try=None,
        # The start of an action has stored its time, and counted its attempt.
        started_time=func.coalesce(jobs.c.started_time, bindparam("began", type_=Timestamp)),
        attempts=jobs.c.attempts + case((jobs.c.state_kind == literal_column("'pending'"), 1), else_=0),
    )
)


def ends_of(ids: Any) -> Any:
    return insert(finished).from_select(
        ["state_kind", "completed_time", "job_id"],
        select(bindparam("end", type_=String), bindparam("now", type_=Timestamp), ids),
    )


# On SQLite three statements about a list.
DEQUEUE: Final = Statement(
    delete(queue).where(queue.c.job_id.in_(select(values_of("ids"))), _pair.in_(select(values_of("pairs"))))
)
END: Final = Statement(ENDING.where(jobs.c.id.in_(select(values_of("ids")))))
INSERT_ENDS: Final = Statement(ends_of(values_of("ids")))

# On PostgreSQL one message, in which each part only touches what the part before it found.
# Ids and tokens are hexadecimal: joined by commas they are one value, which the driver need not look through.
_ids: Final = func.string_to_array(bindparam("ids", type_=Text), ",", type_=ARRAY(Text))
_pairs: Final = select(func.unnest(func.string_to_array(bindparam("pairs", type_=Text), ",", type_=ARRAY(Text))))
_dequeued: Final = (
    delete(queue)
    # `IN … IS TRUE`: or it would be a join, which the planner could turn round.
    .where(queue.c.job_id == any_(_ids), _pair.in_(_pairs).is_(true()))
    .returning(queue.c.job_id)
    .cte("dequeued")
)
_ended: Final = (
    ENDING.where(jobs.c.id == any_(func.array(select(_dequeued.c.job_id).scalar_subquery())))
    .returning(jobs.c.id)
    .cte("ended")
)
_listed: Final = ends_of(_ended.c.id).returning(finished.c.job_id).cte("listed")
FINISH: Final = Statement(select(func.count().label("finished")).select_from(_listed))

INSERT_END: Final = Statement(insert(finished).values(given(finished, "state_kind", "completed_time", "job_id")))

NEW_JOB: Final = given(
    jobs,
    "id",
    "name",
    "kind",
    "args",
    "scheduled_time",
    "state_kind",
    "state_error",
    "completed_time",
    "cron",
    "parent",
    "request",
    "origin",
    "attempts",
)
INSERT_JOB: Final = Statement(insert(jobs).values(NEW_JOB))

NEW_IN_QUEUE: Final = given(queue, "job_id", "kind", "due_time", "position")
ENQUEUE: Final = Statement(insert(queue).values(NEW_IN_QUEUE))

_inserted: Final = insert(jobs).values(NEW_JOB).cte("inserted")
INSERT_AND_ENQUEUE: Final = Statement(insert(queue).values(NEW_IN_QUEUE).add_cte(_inserted))

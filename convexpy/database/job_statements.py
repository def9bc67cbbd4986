"""The statements that every job passes through, built once: building one costs more than running it."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    BigInteger,
    String,
    Text,
    any_,
    bindparam,
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


def behind(prefix: str) -> Any:
    """What waits behind a place, which is given as two values."""
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


# One question for all kinds: an idle process asks nothing else all day.
KINDS: Final = ("mutation", "action")
NEXT_DUE: Final = Statement(select(*(next_due(kind) for kind in KINDS)))
NEXT_DUE_BEHIND: Final = Statement(select(*(next_due(kind, behind(kind)) for kind in KINDS)))

# The longest due first. Those that others are just claiming are passed by.
DUE: Final = (
    select(queue.c.job_id)
    .where(
        queue.c.kind == bindparam("of_kind"),
        queue.c.worker.is_(None),
        queue.c.due_time <= bindparam("now"),
    )
    .order_by(queue.c.due_time, queue.c.position)
    .limit(bindparam("room"))
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

# In a file, rows are found by their place in it, which needs no index.
_place: Final = literal_column(f"{queue.name}.rowid", type_=BigInteger)
CLAIM: Final = Statement(
    CLAIMING.where(_place.in_(DUE.with_only_columns(_place).scalar_subquery())).returning(_place.label("place"))
)
READ_CLAIMED: Final = Statement(
    select(*CLAIMED, queue.c.position, queue.c.due_time)
    .join(queue, queue.c.job_id == jobs.c.id)
    .where(_place.in_(select(values_of("places"))))
    .order_by(queue.c.due_time, queue.c.position),
    row=Claim,
)

# On a server, all of a claim is one message. Neither part of it is a join that could be made the other way round: the
# plan is kept while tables grow, and what a table's statistics say of a queue is wrong a moment later.
_known: Final = KNOWN.cte("known")
_row: Final[Any] = literal_column(f"{queue.name}.ctid")
_rows_due: Final = func.array(DUE.where(behind("after")).with_only_columns(_row).scalar_subquery())
_claimed: Final = (
    CLAIMING.where(_row == any_(_rows_due), select(_known.c.id).exists())
    .returning(queue.c.job_id, queue.c.due_time, queue.c.position)
    .cte("claimed")
)
_read: Final = select(*CLAIMED).where(jobs.c.id == _claimed.c.job_id).offset(literal_column("0")).lateral("read")
CLAIM_AND_READ: Final = Statement(
    select(*_read.c, _claimed.c.position, _claimed.c.due_time)
    .select_from(_claimed.join(_read, true()))
    .order_by(_claimed.c.due_time, _claimed.c.position),
    row=Claim,
)

# A claim that was not started, transaction under its token.
IS_CLAIMED: Final = (
    (queue.c.job_id == bindparam("of_job"))
    & (queue.c.claim_token == bindparam("of_claim"))
    & queue.c.run_token.is_(None)
)

TAKE: Final = Statement(delete(queue).where(IS_CLAIMED))

START: Final = Statement(update(queue).where(IS_CLAIMED).values(run_token=bindparam("new_run")))

# After a COMMIT whose answer was lost: whether it was this very start, this very end, that happened.
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

TAKE_RUN: Final = Statement(
    delete(queue).where(queue.c.job_id == bindparam("of_job"), queue.c.run_token == bindparam("of_run"))
)

ENDED: Final[dict[str, Any]] = {
    "state_kind": bindparam("end"),
    "state_error": bindparam("error"),
    "completed_time": bindparam("now"),
}

ENDING_TAKEN: Final = (
    update(jobs).where(jobs.c.state_kind == "pending").values(ENDED).values(attempts=jobs.c.attempts + 1, next_try=None)
)

END_TAKEN: Final = Statement(ENDING_TAKEN.where(jobs.c.id == bindparam("of_job")))

END_STARTED: Final = Statement(
    update(jobs).where(jobs.c.id == bindparam("of_job"), jobs.c.state_kind == "inProgress").values(ENDED)
)

REMEMBER_END: Final = Statement(insert(finished).values(given(finished, "state_kind", "completed_time", "job_id")))

# The ends of all the jobs that one transaction has run: in a file three statements about a list of them.
# Job and token are compared as one: a worker may have run a job under a claim that it has lost, and hold it again under
# another one, whose token is that of the next job in the list.
_pair: Final = type_coerce(queue.c.job_id, String) + queue.c.claim_token
TAKE_ALL: Final = Statement(
    delete(queue).where(
        queue.c.job_id.in_(select(values_of("ids"))),
        _pair.in_(select(values_of("pairs"))),
        queue.c.run_token.is_(None),
    )
)
END_ALL_TAKEN: Final = Statement(ENDING_TAKEN.where(jobs.c.id.in_(select(values_of("ids")))))
REMEMBER_ALL: Final = Statement(
    insert(finished).from_select(
        ["state_kind", "completed_time", "job_id"],
        select(bindparam("end", type_=String), bindparam("now", type_=Timestamp), values_of("ids")),
    )
)

# On a server that is one message as well.
# Ids and tokens are hexadecimal: joined by commas they are one value, which the driver need not look through.
_ids: Final = func.string_to_array(bindparam("ids", type_=Text), ",", type_=ARRAY(Text))
_pairs: Final = select(func.unnest(func.string_to_array(bindparam("pairs", type_=Text), ",", type_=ARRAY(Text))))
_taken: Final = (
    delete(queue)
    .where(
        queue.c.job_id == any_(_ids),
        _pair.in_(_pairs).is_(true()),  # or it would be a join, which could be made the other way round
        queue.c.run_token.is_(None),
    )
    .returning(queue.c.job_id)
    .cte("taken")
)
_ended: Final = ENDING_TAKEN.where(jobs.c.id == any_(_ids)).returning(jobs.c.id).cte("ended")
_remembered: Final = (
    insert(finished)
    .from_select(
        ["state_kind", "completed_time", "job_id"],
        select(bindparam("end", type_=String), bindparam("now", type_=Timestamp), _ended.c.id),
    )
    .returning(finished.c.job_id)
    .cte("remembered")
)
END_ALL: Final = Statement(
    select(
        select(func.count()).select_from(_taken).scalar_subquery().label("taken"),
        select(func.count()).select_from(_remembered).scalar_subquery().label("ended"),
    )
)

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
    "attempts",
)
INSERT_JOB: Final = Statement(insert(jobs).values(NEW_JOB))

NEW_IN_QUEUE: Final = given(queue, "job_id", "kind", "due_time", "position", "worker", "claim_token")
ENQUEUE: Final = Statement(insert(queue).values(NEW_IN_QUEUE))

_inserted: Final = insert(jobs).values(NEW_JOB).cte("inserted")
INSERT_AND_ENQUEUE: Final = Statement(insert(queue).values(NEW_IN_QUEUE).add_cte(_inserted))

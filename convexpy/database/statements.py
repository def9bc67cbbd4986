"""The statements that every job passes through, built once: building one costs more than running it."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Text, bindparam, delete, insert, select, type_coerce, update

from .tables import finished, jobs, queue

# One question for all kinds: an idle process asks nothing else all day.
NEXT_DUE: Final = select(
    *(
        select(queue.c.due_time)
        .where(queue.c.kind == kind, queue.c.worker.is_(None))
        .order_by(queue.c.due_time, queue.c.position)
        .limit(1)
        .scalar_subquery()
        .label(kind)
        for kind in ("mutation", "action")
    )
)

CLAIM: Final = (
    update(queue)
    .where(
        queue.c.job_id.in_(
            select(queue.c.job_id)
            .where(
                queue.c.kind == bindparam("of_kind"),
                queue.c.worker.is_(None),
                queue.c.due_time <= bindparam("now"),
            )
            .order_by(queue.c.due_time, queue.c.position)
            .limit(bindparam("room"))
            .with_for_update(skip_locked=True)
            .scalar_subquery()
        )
    )
    .values(worker=bindparam("by_worker"), claim_token=bindparam("token"))
    .returning(queue.c.job_id, queue.c.due_time, queue.c.position)
)

# The arguments stay the text they were stored as: the function's own schema reads them.
CLAIMED: Final = select(
    jobs.c.id,
    jobs.c.name,
    jobs.c.kind,
    type_coerce(jobs.c.args, Text).label("args_text"),
    jobs.c.attempts,
    jobs.c.scheduled_time,
    jobs.c.cron,
).where(jobs.c.id.in_(bindparam("ids", expanding=True)))

# A claim that was not started, held under its token.
IS_CLAIMED: Final = (
    (queue.c.job_id == bindparam("of_job"))
    & (queue.c.claim_token == bindparam("of_claim"))
    & queue.c.run_token.is_(None)
)

TAKE: Final = delete(queue).where(IS_CLAIMED)

START: Final = update(queue).where(IS_CLAIMED).values(run_token=bindparam("new_run"))

# After a COMMIT whose answer was lost: whether it was this very start, this very end, that happened.
IS_STARTED: Final = select(queue.c.job_id).where(
    queue.c.job_id == bindparam("of_job"), queue.c.run_token == bindparam("of_run")
)

STATE: Final = select(jobs.c.state_kind, jobs.c.state_error).where(jobs.c.id == bindparam("of_job"))

STARTED: Final = (
    update(jobs)
    .where(jobs.c.id == bindparam("of_job"), jobs.c.state_kind == "pending")
    .values(state_kind="inProgress", started_time=bindparam("now"), attempts=jobs.c.attempts + 1, next_try=None)
)

GIVE_BACK: Final = update(queue).where(IS_CLAIMED).values(worker=None, claim_token=None)

POSTPONE: Final = GIVE_BACK.values(due_time=bindparam("new_due"))

POSTPONED: Final = (
    update(jobs)
    .where(jobs.c.id == bindparam("of_job"))
    .values(attempts=jobs.c.attempts + 1, last_error=bindparam("error"), next_try=bindparam("new_due"))
)

TAKE_RUN: Final = delete(queue).where(queue.c.job_id == bindparam("of_job"), queue.c.run_token == bindparam("of_run"))

END_TAKEN: Final = (
    update(jobs)
    .where(jobs.c.id == bindparam("of_job"), jobs.c.state_kind == "pending")
    .values(
        state_kind=bindparam("end"),
        state_error=bindparam("error"),
        completed_time=bindparam("now"),
        attempts=jobs.c.attempts + 1,
        next_try=None,
    )
)

END_STARTED: Final = (
    update(jobs)
    .where(jobs.c.id == bindparam("of_job"), jobs.c.state_kind == "inProgress")
    .values(state_kind=bindparam("end"), state_error=bindparam("error"), completed_time=bindparam("now"))
)

REMEMBER_END: Final = insert(finished)

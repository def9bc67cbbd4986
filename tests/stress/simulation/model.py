"""What must be true after any play: the promises, as sentences about a record. No sentence knows how it is kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

from .plans import Node
from .record import FINAL, Job, Record

LOST = "the process that ran this action died"
STEP_MICROSECONDS = 1_000_000
AFTER = {
    "mutation": {"pending": {"success", "failed", "canceled"}},
    "action": {"pending": {"inProgress", "canceled"}, "inProgress": {"success", "failed", "canceled"}},
}


def violations(record: Record) -> list[str]:
    """Every sentence that is not true, with the job that it is not true of."""
    rules = (
        states,
        lives,
        jobs_of_mutations,
        jobs_of_actions,
        actions,
        mutations,
        cancels,
        orphans,
        notes,
        crons,
        slots,
    )
    return [f"{rule.__name__}: {text}" for rule in rules for text in rule(record)]


def states(record: Record) -> Iterator[str]:
    """A job moves along the drawn arrows only, and a final state is final."""
    for job in record.jobs:
        if job.states[0] not in ("pending", "canceled"):
            yield f"{job} was born {job.states[0]}"
        for before, after in pairwise(job.states):
            allowed: set[str | None] = set(AFTER[job.kind].get(str(before), set()))
            if after not in (allowed or {None} if before in FINAL else allowed):
                yield f"{job}: from {before} to {after}"


def lives(record: Record) -> Iterator[str]:
    """Once faults end, every job ends; a label is one job; none runs before its time."""
    if record.left:
        yield f"{record.left} jobs are still in the queue"
    for job in record.jobs:
        if job.last.became not in FINAL:
            yield f"{job} never ended"
        if job.id in record.first and record.first[job.id] < job.scheduled - STEP_MICROSECONDS:
            yield f"{job} ran {(job.scheduled - record.first[job.id]) / 1e6:.3f} s before its time"
    for label, count in Counter(job.label for job in record.jobs if job.cron is None).items():
        if count > 1:
            yield f"{label} exists {count} times"


def jobs_of_mutations(record: Record) -> Iterator[str]:
    """A job exists if and only if the mutation that scheduled it was committed."""
    for label, node in record.nodes.items():
        if node.parent is None or "action" in node.parent.plan["kind"]:
            continue
        expected = 0 if node.is_undone else int(committed(record, node.parent))
        found = record.of(label)
        if len(found) != expected:
            yield f"{label} exists {len(found)} times, not {expected}"
        elif found and record.children.get(label) != found[0].id:
            yield f"{label} is {found[0].id}, and its parent recorded {record.children.get(label)}"


def jobs_of_actions(record: Record) -> Iterator[str]:
    """What an action scheduled exists from the moment that the call returned."""
    for label, node in record.nodes.items():
        if node.parent is None or "action" not in node.parent.plan["kind"]:
            continue
        returned, asked = record.journal["scheduled", label], record.journal["asks", label]
        found = len(record.of(label))
        if not returned <= found <= asked:
            yield f"{label} exists {found} times; its action asked {asked} times and got {returned} answers"


def actions(record: Record) -> Iterator[str]:
    """An action starts at most once, is a success only if it came to its end, and fails only for a reason."""
    for job in record.jobs:
        if job.kind != "action":
            continue
        starts, end, plan = record.starts[job.id], record.journal["end", job.label], record.nodes[job.label].plan
        was_started, state, error = "inProgress" in job.states, job.last.became, job.last.error or ""
        if starts > 1 or (starts and not was_started):
            yield f"{job} started {starts} times"
        if state == "success" and (plan["fails"] or not (starts == end == 1)):
            yield f"{job}, though it {'fails' if plan['fails'] else f'started {starts} and ended {end} times'}"
        if state == "failed" and LOST in error and not record.faults:
            yield f"{job}: lost, though nothing happened"
        if state == "failed" and LOST not in error and not (plan["fails"] and "Broken" in error and starts == 1):
            yield f"{job}: {error}"


def mutations(record: Record) -> Iterator[str]:
    """A mutation takes effect once if it is a success and never if it is not, and only its own errors fail it."""
    for label, node in record.nodes.items():
        if "action" in node.plan["kind"]:
            continue
        found, expected = record.effects["ran", label], int(committed(record, node))
        if found != expected:
            yield f"{label} took effect {found} times, not {expected}: {' and '.join(map(str, record.of(label)))}"
        for job in record.of(label):
            state, error = job.last.became, job.last.error or ""
            if state == "success" and node.plan["fails"]:
                yield f"{job}, though it fails"
            if state == "failed" and not (node.plan["fails"] and "Broken" in error):
                yield f"{job}: {error}"


def cancels(record: Record) -> Iterator[str]:
    """A cancel and an end exclude each other: a job canceled before its end is canceled, and none without a cancel."""
    for job in record.jobs:
        if job.cron is not None:
            continue
        itself = record.journal["canceled itself", job.label]
        ended = next(move.number for move in job.moves if move.became in FINAL or move is job.moves[-1])
        if any(asked < ended for asked in job.asked) and job.last.became != "canceled":
            yield f"{job}, though it was canceled before"
        if itself and job.last.became not in ("canceled", "failed"):
            yield f"{job}, though it canceled itself"
        by_itself = itself or (job.kind == "action" and any(s["do"] == "cancel me" for s in plan_of(record, job)))
        if job.last.became == "canceled" and not job.asked and not by_itself and not parent_was_canceled(record, job):
            yield f"{job}, though nothing canceled it"


def orphans(record: Record) -> Iterator[str]:
    """What a canceled action still schedules is born canceled."""
    for job in record.jobs:
        parent = parent_of(record, job)
        if parent is None or parent.kind != "action":
            continue
        canceled = next((move.number for move in parent.moves if move.became == "canceled"), None)
        if canceled is not None and job.moves[0].number > canceled and job.states[0] != "canceled":
            yield f"{job}, though {parent} had been canceled"


def notes(record: Record) -> Iterator[str]:
    """A mutation that an action called was committed if it returned, and at most once in any case."""
    for label in record.notes:
        returned, asked, found = (
            record.journal["noted", label],
            record.journal["asks", label],
            record.effects["noted", label],
        )
        if not returned <= found <= asked:
            yield f"{label} was written {found} times; its action asked {asked} times and got {returned} answers"


def crons(record: Record) -> Iterator[str]:
    """A slot fires once, one run at a time, and a run takes effect exactly once if it is a success."""
    for name, jobs in record.crons().items():
        slots = Counter(job.scheduled for job in jobs if not skips_many(job))
        for slot, count in slots.items():
            if count > 1:
                yield f"{name} fired its slot {slot} {count} times"
        runs = [job for job in jobs if job.states[0] == "pending"]
        succeeded = sum(job.last.became == "success" for job in runs)
        if record.effects["ticked", name] != succeeded:
            yield f"{name} took effect {record.effects['ticked', name]} times and succeeded {succeeded} times"
        for before, after in pairwise(runs):
            ended = next((move.number for move in before.moves if move.became in FINAL), None)
            if ended is None or ended > after.moves[0].number:
                yield f"{name}: a run began before {before} was over"


def slots(record: Record) -> Iterator[str]:
    """No slot is lost: it is a run, or the history says that it was skipped."""
    for name, period in record.steady.items():
        fired = record.crons().get(name, [])
        left_out = {job.scheduled for job in fired if skips_many(job)}
        for before, after in pairwise(sorted({job.scheduled for job in fired})):
            if after - before != period and before not in left_out:
                yield f"{name}: after its slot {before} came {after}, with a period of {period}"


def skips_many(job: Job) -> bool:
    """A remark that slots between two others were skipped: it is kept under the slot before them."""
    return " between " in (job.moves[0].error or "")


def committed(record: Record, node: Node) -> bool:
    """Whether what a mutation did was committed: its job is a success, or its direct call returned."""
    if node.parent is None:
        return node.plan["label"] in record.committed
    return any(job.last.became == "success" for job in record.of(node.plan["label"]))


def parent_of(record: Record, job: Job) -> Job | None:
    node = record.nodes.get(job.label)
    if job.cron is not None or node is None or node.parent is None:
        return None
    return next(iter(record.of(node.parent.plan["label"])), None)


def parent_was_canceled(record: Record, job: Job) -> bool:
    parent = parent_of(record, job)
    return job.states[0] == "canceled" and parent is not None and parent.last.became == "canceled"


def plan_of(record: Record, job: Job) -> list[dict[str, object]]:
    steps: list[dict[str, object]] = record.nodes[job.label].plan["steps"]
    return steps

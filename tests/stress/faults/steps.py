"""``kill -9`` at every step of a job's way, and what must have become of the job after a restart."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from . import checker
from .checker import Verdict
from .child_process import ChildProcess, Died, Sandbox, wait_until
from .job_moves import VICTIM, Moment

Scenario = Literal[
    "mutation",
    "action",
    "sync action",
    "direct",
    "batch",
    "batch that splits",
    "retry",
    "cron",
    "recovery",
    "stop",
]
PAY = "work:pay"
BATCH = 3
LOST = "died before it finished"


@dataclass(frozen=True)
class Step:
    """Where the process kills itself, and what the victim must look like in the end."""

    scenario: Scenario
    where: str
    move: str
    moment: Moment
    state: str = "success"
    starts: int | None = None  # of the action; None: it is none
    exists: bool = True  # whether the order that was under way must be there

    def __str__(self) -> str:
        return f"{self.scenario}: {self.where}"


def action_steps(scenario: Scenario) -> list[Step]:
    return [
        Step(scenario, "claim, before its COMMIT", "claim action", "before", starts=1),
        Step(scenario, "claim, after its COMMIT", "claim action", "after", starts=1),
        Step(scenario, "claimed, before it is submitted", "submit action", "enter", starts=1),
        Step(scenario, "submitted", "submit action", "done", starts=1),
        Step(scenario, "before anything of it runs", "run action", "enter", starts=1),
        Step(scenario, "before its start record", "start action", "enter", starts=1),
        Step(scenario, "start record, before its COMMIT", "start action", "before", starts=1),
        Step(scenario, "start record committed, before its first line", "start action", "after", "failed", 0),
        Step(scenario, "inside the handler", "inside", "done", "failed", 1),
        Step(scenario, "its own schedule, before COMMIT", "insert child", "before", "failed", 1),
        Step(scenario, "its own schedule, after COMMIT", "insert child", "after", "failed", 1),
        Step(scenario, "the mutation it calls, before COMMIT", "note", "before", "failed", 1),
        Step(scenario, "the mutation it calls, after COMMIT", "note", "after", "failed", 1),
        Step(scenario, "handler over, before its finish", "end action", "enter", "failed", 1),
        Step(scenario, "finish, its transaction begun", "finish action", "enter", "failed", 1),
        Step(scenario, "finish, before its COMMIT", "finish action", "before", "failed", 1),
        Step(scenario, "finish, after its COMMIT", "finish action", "after", starts=1),
    ]


STEPS = [
    Step("mutation", "claim, before its COMMIT", "claim mutation", "before"),
    Step("mutation", "claim, after its COMMIT", "claim mutation", "after"),
    Step("mutation", "claimed, before it is submitted", "submit mutation", "enter"),
    Step("mutation", "submitted", "submit mutation", "done"),
    Step("mutation", "before anything of it runs", "perform mutation", "enter"),
    Step("mutation", "transaction begun, before the handler", "handler 1", "enter"),
    Step("mutation", "inside the handler", "inside", "done"),
    Step("mutation", "handler over and flushed", "handler 1", "done"),
    Step("mutation", "before its job is finished", "finish mutation", "enter"),
    Step("mutation", "its job is finished", "finish mutation", "done"),
    Step("mutation", "before COMMIT", "finish mutation", "before"),
    Step("mutation", "after COMMIT, before it is published", "finish mutation", "after"),
    Step("mutation", "published, before it is recorded", "finish mutation", "published"),
    *action_steps("action"),
    *action_steps("sync action"),
    Step("direct", "a mutation that schedules, before the insert", "insert", "enter", exists=False),
    Step("direct", "a mutation that schedules, before COMMIT", "insert", "before", exists=False),
    Step("direct", "a mutation that schedules, after COMMIT", "insert", "after"),
    Step("direct", "a mutation that schedules, published", "insert", "published"),
    Step("batch", "before the first handler", "handler 1", "enter"),
    Step("batch", "before the last handler", "handler 3", "enter"),
    Step("batch", "inside the second handler", "inside 2", "done"),
    Step("batch", "all have run, before their jobs are finished", "finish mutation", "enter"),
    Step("batch", "their jobs are finished", "finish mutation", "done"),
    Step("batch", "before COMMIT", "finish mutation", "before"),
    Step("batch", "after COMMIT, before it is published", "finish mutation", "after"),
    Step("batch", "published, before it is recorded", "finalize", "enter"),
    Step("batch", "recorded", "finalize", "done"),
    Step("batch that splits", "before it does", "inside 3", "done"),
    Step("batch that splits", "rolled back, before anything else", "split", "enter"),
    Step("batch that splits", "split", "split", "done"),
    Step("batch that splits", "the others run again", "again inside 2", "done"),
    Step("batch that splits", "the others, before COMMIT", "again finish mutation", "before"),
    Step("batch that splits", "the others, after COMMIT", "again finish mutation", "after"),
    Step("batch that splits", "before the failed one runs alone", "again finalize", "done"),
    Step("batch that splits", "the failed one has failed again, before that is stored", "again fail mutation", "enter"),
    Step("batch that splits", "the failed one, before COMMIT", "again fail mutation", "before"),
    Step("batch that splits", "the failed one, after COMMIT", "again fail mutation", "after"),
    Step("retry", "the transaction has failed, before its job is released", "release mutation", "enter"),
    Step("retry", "release, before COMMIT", "release mutation", "before"),
    Step("retry", "release, after COMMIT", "release mutation", "after"),
    Step("cron", "its slot is taken, before the job is there", "cron", "done"),
    Step("cron", "the job is there, before the slot remembers it", "insert cron", "done"),
    Step("cron", "before COMMIT", "cron", "before"),
    Step("cron", "after COMMIT", "cron", "after"),
    Step("recovery", "a dead worker is given up, before its jobs are recovered", "give up", "done", "failed", 1),
    Step("recovery", "of a dead worker's jobs, before COMMIT", "recover", "before", "failed", 1),
    Step("recovery", "of a dead worker's jobs, after COMMIT", "recover", "after", "failed", 1),
    Step("stop", "before claims are given back", "give back", "enter"),
    Step("stop", "claims are given back, before COMMIT", "unclaim", "before"),
    Step("stop", "claims are given back, after COMMIT", "unclaim", "after"),
]


@dataclass
class KillResult:
    """What one kill and the restart after it gave."""

    fired: bool
    recovery_seconds: float
    verdict: Verdict


def kill_at(step: Step, folder: Path) -> KillResult:
    """One round: some bystanders, the victim, the kill, a clean process that does the rest, and the verdict."""
    sandbox = Sandbox(folder)
    acknowledged: dict[str, int] = {}
    fired = SCENARIOS[step.scenario](step, sandbox, acknowledged)
    died = time.monotonic()
    with sandbox.child(**with_cron(step)) as clean:
        clean.ready()
        try:
            wait_until(lambda: checker.is_quiet(sandbox.database, 1), f"everything is over after: {step}")
        except TimeoutError as error:
            verdict = checker.judge(sandbox.database, sandbox.journal, acknowledged)
            verdict.broken.append(str(error))
            return KillResult(fired, time.monotonic() - died, verdict)
        seconds = time.monotonic() - died
    verdict = checker.judge(sandbox.database, sandbox.journal, acknowledged)
    verdict.broken += victim_is_not(step, sandbox)
    return KillResult(fired, seconds, verdict)


def a_job(step: Step, sandbox: Sandbox, acknowledged: dict[str, int]) -> bool:
    """The victim is a mutation or an action that runs alone, among others."""
    with sandbox.child(die_at=(step.move, step.moment), batchable=()) as child:
        order(child.ready(), "bystander", acknowledged, pays=3, sends=2, children=1)
        victims = {"mutation": {"pays": 1}, "direct": {"pays": 2}}.get(step.scenario, {"sends": 1})
        order(child, VICTIM, acknowledged, **victims, children=2, sync=step.scenario == "sync action")
        return child.wait() == -signal.SIGKILL


def a_batch(step: Step, sandbox: Sandbox, acknowledged: dict[str, int]) -> bool:
    """The victims are several mutations that wait together behind one that holds them up."""
    last = "bad:raises" if step.scenario == "batch that splits" else None
    numbers = {"holds": 1, "pays": BATCH, "children": 1}
    with sandbox.child(die_at=(step.move, step.moment), batchable=(PAY, last)) as child:
        held = child.ready().call("work:order_held", label=VICTIM, gate="gate", last=last, **numbers)
        acknowledged[VICTIM] = held
        wait_until(lambda: sandbox.lines("hold") != [] and child.ask("held") == held, "all wait in the pool")
        child.open("gate")
        return child.wait() == -signal.SIGKILL


def a_retry(step: Step, sandbox: Sandbox, acknowledged: dict[str, int]) -> bool:
    """The victim is a mutation that meets an error of the database, once."""
    with sandbox.child(die_at=(step.move, step.moment)) as child:
        child.ready().call("bad:plan", function="bad:makes_its_connection_read_only", label=VICTIM)
        return child.wait() == -signal.SIGKILL


def a_cron(step: Step, sandbox: Sandbox, acknowledged: dict[str, int]) -> bool:
    """The victim is a slot that is due when the process starts."""
    with sandbox.child(die_at=(step.move, step.moment), **with_cron(step)) as child:
        return child.wait() == -signal.SIGKILL


def with_cron(step: Step) -> dict[str, Any]:
    """A cron that fires once, at the first start."""
    return {"environ": {"FAULTS_CRON_SECONDS": "3600"}} if step.scenario == "cron" else {}


def a_recovery(step: Step, sandbox: Sandbox, acknowledged: dict[str, int]) -> bool:
    """The victim is an action; the process that recovers it is killed too."""
    with sandbox.child(die_at=("inside", "done")) as child:
        order(child.ready(), "bystander", acknowledged, pays=3, children=1)
        order(child, VICTIM, acknowledged, sends=1)
        died = child.wait() == -signal.SIGKILL
    with sandbox.child(die_at=(step.move, step.moment)) as child:
        return child.wait() == -signal.SIGKILL and died


def a_stop(step: Step, sandbox: Sandbox, acknowledged: dict[str, int]) -> bool:
    """A process is killed while it gives back, at its end, what it claimed and never tried."""
    with sandbox.child(die_at=(step.move, step.moment), open_gate_at=("give back", "enter")) as child:
        acknowledged[VICTIM] = child.ready().call("work:order_held", label=VICTIM, gate="park", holds=1, pays=40)
        wait_until(lambda: sandbox.lines("hold") != [] and child.ask("held") > 1, "the first one holds the others up")
        child.send("stop")
        return child.wait() == -signal.SIGKILL


SCENARIOS: dict[Scenario, Callable[[Step, Sandbox, dict[str, int]], bool]] = {
    "mutation": a_job,
    "action": a_job,
    "sync action": a_job,
    "direct": a_job,
    "batch": a_batch,
    "batch that splits": a_batch,
    "retry": a_retry,
    "cron": a_cron,
    "recovery": a_recovery,
    "stop": a_stop,
}


def order(child: ChildProcess, label: str, acknowledged: dict[str, int], **numbers: object) -> None:
    """Give an order, and remember it if its commit was seen."""
    with suppress(Died):
        acknowledged[label] = child.call("work:order", label=label, **numbers)


def victim_is_not(step: Step, sandbox: Sandbox) -> list[str]:
    """What the victim should be and is not."""
    if step.scenario == "stop":
        return []
    if "batch" in step.scenario:
        return [text for n in range(BATCH) for text in is_not_there(step, sandbox, f"{VICTIM}/pay{n}")]
    kind = "send" if "action" in step.scenario or step.scenario == "recovery" else "pay"
    return is_not_there(step, sandbox, VICTIM if step.scenario in ("cron", "retry") else f"{VICTIM}/{kind}0")


def is_not_there(step: Step, sandbox: Sandbox, label: str) -> list[str]:
    """What one victim should be and is not."""
    found = checker.rows(
        sandbox.database,
        "SELECT id, state_kind, state_error FROM _scheduled_functions WHERE json_extract(args, '$.label') = ?",
        label,
    )
    if not step.exists:
        return [f"{step}: {dict(row)} exists" for row in found]
    if [row["state_kind"] for row in found] != [step.state]:
        return [f"{step}: the victim is {[dict(row) for row in found]}, not one {step.state}"]
    broken = []
    if step.state == "failed" and LOST not in found[0]["state_error"]:
        broken.append(f"{step}: it failed with {found[0]['state_error']!r}")
    if step.starts is not None and sandbox.lines("start").count(found[0]["id"]) != step.starts:
        broken.append(f"{step}: {sandbox.lines('start').count(found[0]['id'])} starts, not {step.starts}")
    return broken

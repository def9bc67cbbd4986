"""Faults in what belongs together: money, calls with their jobs, children, cancels, crons."""

from __future__ import annotations

from typing import Final

from .planted_fault import Faults
from .planting import (
    UNKNOWN,
    add_effect,
    again,
    children,
    erase,
    intent,
    is_target,
    jobs,
    roots,
    take_back,
    traces,
)
from .rehearsal import Files

FAULTS: Final = Faults()
fault = FAULTS.fault


@fault("money-total", "money-account")
def money_lost(files: Files) -> None:
    files["accounts"][0]["balance"] -= 1


@fault("money-account")
def money_moved_unasked(files: Files) -> None:
    files["accounts"][0]["balance"] -= 1
    files["accounts"][1]["balance"] += 1


@fault("lost-job")
def an_acknowledged_job_lost(files: Files) -> None:
    erase(files, roots(files, intent(files, "schedule")[0]["call"])[0])


@fault("lost-job")
def a_job_lost_whose_id_is_unknown(files: Files) -> None:
    line, answered = intent(files, "schedule")
    answered["job"] = None
    erase(files, roots(files, line["call"])[0])


@fault("torn-call")
def one_job_of_an_acknowledged_call_lost(files: Files) -> None:
    erase(files, roots(files, intent(files, "direct_and_schedule")[0]["call"])[0])


@fault("torn-call")
def an_effect_without_the_jobs_that_belong_to_it(files: Files) -> None:
    line, answered = intent(files, "direct_and_schedule")
    answered["outcome"] = "info"
    for job in roots(files, line["call"]):
        erase(files, job)


@fault("torn-call")
def jobs_without_the_effect_that_belongs_to_them(files: Files) -> None:
    line, answered = intent(files, "direct_and_schedule")
    files["intents"].remove(answered)
    take_back(files, next(each for each in files["effects"] if each["call"] == line["call"]))


@fault("torn-call")
def a_mark_without_its_job(files: Files) -> None:
    job = next(job for job in jobs(files) if traces(files, "markers", job) and not is_target(files, job))
    mark = traces(files, "markers", job)[0]
    files["intents"][:] = [line for line in files["intents"] if line["call"] != mark["call"] or "op" in line]
    erase(files, job)
    files["markers"].append(mark)


@fault("torn-call")
def a_job_without_its_mark(files: Files) -> None:
    files["markers"].pop()


@fault("lost-effect")
def an_append_of_a_job_lost(files: Files) -> None:
    next(line for line in files["history"] if line.get("t1", 0) is None and line["type"] == "ok")["type"] = "info"


@fault("aborted-effect")
def an_append_of_a_job_that_failed(files: Files) -> None:
    job = next(job for job in files["jobs"] if "steps" in job["args"] and job["state_kind"] == "failed")
    times = {"t0": job["scheduled_time"], "t1": None, "type": "ok"}
    files["history"].append({"id": job["args"]["call"], "proc": 9, **times, "ops": job["args"]["steps"]})


@fault("aborted-job")
def a_job_of_a_call_that_failed(files: Files) -> None:
    intent(files, "schedule")[1].update(outcome="fail", job=None)


@fault("scheduled-twice", "effect-twice")
def a_call_that_was_scheduled_twice(files: Files) -> None:
    again(files, next(job for job in jobs(files, parent=None) if "/" not in job["args"]["call"]))


@fault("wrong-answer")
def an_answer_with_the_job_of_another_call(files: Files) -> None:
    intent(files, "schedule")[1]["job"] = files["jobs"][-1]["id"]


@fault("torn-children")
def a_child_lost(files: Files) -> None:
    erase(files, children(files, next(job for job in jobs(files) if children(files, job)))[0])


@fault("scheduled-twice")
def a_child_too_many(files: Files) -> None:
    again(files, children(files, next(job for job in jobs(files) if children(files, job)))[0])


@fault("child-of-uncommitted")
def a_child_of_a_mutation_that_failed(files: Files) -> None:
    parent = next(job for job in jobs(files, state="failed") if job["args"]["children"])
    again(files, next(jobs(files)), parent=parent["id"], call=f"{parent['args']['call']}/0")


@fault("child-of-unstarted")
def a_child_of_an_action_that_never_started(files: Files) -> None:
    parent = next(job for job in jobs(files, "action", "canceled", attempts=0) if job["args"]["children"])
    again(files, next(jobs(files)), parent=parent["id"], call=f"{parent['args']['call']}/0")


@fault("orphan")
def a_child_without_parent(files: Files) -> None:
    again(files, next(jobs(files)), parent="e" * 32)


@fault("ghost-job")
def a_job_that_was_not_scheduled(files: Files) -> None:
    again(files, next(jobs(files)), parent=None, call="unknown")


@fault("ghost-effect")
def an_effect_without_a_call(files: Files) -> None:
    add_effect(files, "unknown", None)


@fault("ghost-effect")
def an_effect_of_a_job_that_does_not_exist(files: Files) -> None:
    add_effect(files, "c1", {"id": UNKNOWN, "attempts": 1, "completed_time": 1700006400.0})


@fault("canceled-unasked")
def a_job_canceled_unasked(files: Files) -> None:
    intent(files, "cancel", answer="canceled")[1].update(outcome="fail", answer=None)


@fault("too-late-yet-canceled")
def a_cancel_that_was_too_late_and_canceled(files: Files) -> None:
    intent(files, "cancel", answer="canceled")[1]["answer"] = "too late"


@fault("canceled-yet-ran")
def a_cancel_that_canceled_what_ran(files: Files) -> None:
    for line in files["intents"]:
        targets = [job for job in jobs(files) if job["args"]["call"] == line.get("target")]
        late = [each for each in files["intents"] if each["call"] == line["call"] and each.get("answer") == "too late"]
        if targets and late:
            late[0]["answer"] = "canceled"
            return


@fault("canceled-twice")
def two_cancels_that_were_both_the_first(files: Files) -> None:
    line, answered = intent(files, "cancel", answer="canceled")
    files["intents"].extend([{**line, "call": "c9999"}, {**answered, "call": "c9999"}])


@fault("cancel-out-of-time")
def a_cancel_that_was_acknowledged_before_it_happened(files: Files) -> None:
    line, answered = intent(files, "cancel", answer="canceled")
    answered["t1"] = line["t0"] - 10


@fault("too-late-yet-pending")
def a_cancel_that_was_too_late_before_the_end(files: Files) -> None:
    job = next(job for job in jobs(files) if job["completed_time"] - traces(files, "audit", job)[0]["at"] > 1)
    inserted, wish = traces(files, "audit", job)[0]["at"], {"call": "c9999", "client": 3, "op": "cancel", "kind": None}
    files["intents"].append({**wish, "due": None, "target": job["args"]["call"], "children": 0, "t0": inserted + 0.1})
    answered = {"outcome": "ok", "answer": "too late", "job": None, "t1": inserted + 0.2}
    files["intents"].append({"call": "c9999", **answered})


@fault("failed-internally")
def a_mutation_that_failed_with_its_connection(files: Files) -> None:
    next(jobs(files, state="failed"))["state_error"] = "OperationalError: server closed the connection unexpectedly"


@fault("failed-silently")
def a_job_that_does_not_say_why_it_failed(files: Files) -> None:
    next(jobs(files, state="failed"))["state_error"] = None


@fault("failed-silently")
def an_action_that_does_not_say_why_it_failed(files: Files) -> None:
    next(jobs(files, "action", "failed"))["state_error"] = None


@fault("slot-twice")
def a_slot_that_ran_twice(files: Files) -> None:
    again(files, next(jobs(files, cron="tick")))


@fault("slot-unknown")
def a_slot_that_is_none(files: Files) -> None:
    next(jobs(files, cron="report"))["scheduled_time"] -= 1


@fault("slot-unknown")
def a_slot_out_of_step(files: Files) -> None:
    list(jobs(files, cron="tick"))[-1]["scheduled_time"] -= 1


@fault("slot-unknown")
def a_cron_that_is_not_declared(files: Files) -> None:
    files["crons"].pop()


@fault("slot-unrecorded")
def a_missed_slot_without_a_record(files: Files) -> None:
    erase(files, next(job for job in jobs(files, state="canceled", cron="tick") if "between" in job["state_error"]))


@fault("slot-overlap")
def a_run_of_a_cron_while_another_was_not_over(files: Files) -> None:
    traces(files, "audit", next(jobs(files, cron="tick")))[-1]["seq"] = 10**6


@fault("nothing-ran")
def a_run_without_jobs(files: Files) -> None:
    files.tables = {name: [] for name in files.tables}
    files.actions = []

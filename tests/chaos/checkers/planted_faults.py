"""Faults to plant in a valid run, each with the names of all violations that it must give, and of no others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from .planting import (
    UNKNOWN,
    add_effect,
    again,
    children,
    erase,
    intent,
    is_target,
    jobs,
    move,
    roots,
    steps,
    take_back,
    traces,
)
from .rehearsal import Files

Plant = Callable[[Files], Any]
FAULTS: Final[dict[str, tuple[set[str], Plant]]] = {}


def fault(*names: str) -> Callable[[Plant], Plant]:
    """A fault, and the names of all violations that it must give, and no others."""

    def note(plant: Plant) -> Plant:
        FAULTS[plant.__name__] = (set(names), plant)
        return plant

    return note


@fault("effect-twice")
def an_effect_twice(files: Files) -> None:
    job = next(jobs(files))
    add_effect(files, job["args"]["call"], job)


@fault("effect-twice")
def a_direct_effect_twice(files: Files) -> None:
    add_effect(files, intent(files, "direct")[0]["call"], None)


@fault("effect-twice")
def an_effect_of_an_action_twice(files: Files) -> None:
    job = next(jobs(files, "action"))
    add_effect(files, job["args"]["call"], job)


@fault("lost-effect")
def an_effect_lost(files: Files) -> None:
    take_back(files, traces(files, "effects", next(jobs(files)))[0])


@fault("lost-effect")
def an_acknowledged_effect_lost(files: Files) -> None:
    call = intent(files, "direct")[0]["call"]
    take_back(files, next(effect for effect in files["effects"] if effect["call"] == call))


@fault("aborted-effect")
def an_effect_of_a_failed_mutation(files: Files) -> None:
    job = next(jobs(files, state="failed"))
    add_effect(files, job["args"]["call"], job)


@fault("aborted-effect")
def an_effect_of_a_call_that_failed(files: Files) -> None:
    intent(files, "direct")[1]["outcome"] = "fail"


@fault("canceled-yet-ran")
def an_effect_of_a_canceled_mutation(files: Files) -> None:
    job = next(jobs(files, state="canceled"))
    add_effect(files, job["args"]["call"], job, at=job["scheduled_time"] + 1)


@fault("canceled-yet-ran")
def a_start_of_an_action_that_was_canceled_before(files: Files) -> None:
    job = next(jobs(files, "action", "canceled", attempts=0))
    files.actions.append(f"start {job['args']['call']} {job['id']} 0 1 {job['scheduled_time'] + 1}")


@fault("action-started-twice")
def an_action_started_twice(files: Files) -> None:
    files.actions.append(steps(files, next(jobs(files, "action")))[0])


@fault("lost-start", "success-without-end", "effect-without-start")
def a_success_of_an_action_that_never_ran(files: Files) -> None:
    job = next(job for job in jobs(files, "action") if not children(files, job))
    files.actions[:] = [line for line in files.actions if job["id"] not in line]


@fault("success-without-end")
def a_success_of_an_action_that_did_not_end(files: Files) -> None:
    files.actions.remove(steps(files, next(jobs(files, "action")))[1])


@fault("end-without-start")
def an_action_that_ended_without_a_start(files: Files) -> None:
    job = next(job for job in jobs(files, "action", "failed") if not steps(files, job))
    files.actions.append(f"end {job['args']['call']} {job['id']} 1 1 {job['completed_time']}")


@fault("effect-without-start")
def an_effect_of_an_action_that_never_started(files: Files) -> None:
    job = next(job for job in jobs(files, "action", "failed") if not steps(files, job))
    add_effect(files, job["args"]["call"], job)


@fault("started-yet-pending", "stuck", "stale-attempt", "bad-edge")
def an_action_that_is_pending_again_after_its_start(files: Files) -> None:
    job = next(job for job in jobs(files, "action", "failed") if steps(files, job))
    files["finished"].remove(traces(files, "finished", job)[0])
    traces(files, "audit", job)[-1] |= {"new": "pending", "attempts": job["attempts"] + 1}
    job |= {"state_kind": "pending", "attempts": job["attempts"] + 1}


@fault("ghost-start")
def a_start_of_a_job_that_does_not_exist(files: Files) -> None:
    files.actions.append(f"start c1 {UNKNOWN} 1 1 1700006400.0")


@fault("ghost-start")
def a_mutation_that_starts_like_an_action(files: Files) -> None:
    job = next(jobs(files))
    files.actions.append(f"start c1 {job['id']} {job['attempts']} 1 {job['completed_time']}")


@fault("early")
def a_mutation_before_it_is_due(files: Files) -> None:
    job = next(jobs(files))
    traces(files, "effects", job)[0]["at"] = job["scheduled_time"] - 0.01


@fault("early")
def an_action_before_it_is_due(files: Files) -> None:
    job = next(jobs(files, "action", attempts=1))
    line = steps(files, job)[0]
    files.actions[files.actions.index(line)] = " ".join([*line.split()[:-1], str(job["scheduled_time"] - 0.01)])


@fault("early")
def a_due_time_that_was_stored_wrong(files: Files) -> None:
    for line in files["intents"]:
        for job in jobs(files, args={"call": line["call"], "children": line.get("children")}):
            if line.get("due"):
                line["due"] = traces(files, "effects", job)[0]["at"] + 3600
                return


@fault("stuck")
def a_job_that_is_never_over(files: Files) -> None:
    job = next(job for job in jobs(files, state="failed") if not is_target(files, job))
    files["finished"].remove(traces(files, "finished", job)[0])
    traces(files, "audit", job)[-1]["new"] = "pending"
    job["state_kind"] = "pending"


@fault("left-in-queue")
def a_job_that_is_over_and_still_in_the_queue(files: Files) -> None:
    files["queue"].append({"job_id": next(jobs(files))["id"]})


@fault("end-forgotten")
def an_end_that_is_not_remembered(files: Files) -> None:
    files["finished"].remove(traces(files, "finished", next(jobs(files)))[0])


@fault("end-twice")
def an_end_that_is_remembered_twice(files: Files) -> None:
    files["finished"].append(traces(files, "finished", next(jobs(files)))[0])


@fault("end-disagrees")
def an_end_that_is_remembered_as_another(files: Files) -> None:
    traces(files, "finished", next(jobs(files)))[0]["state_kind"] = "failed"


@fault("ghost-end")
def an_end_of_a_job_that_does_not_exist(files: Files) -> None:
    files["finished"].append({"state_kind": "success", "completed_time": 1700006400.0, "job_id": UNKNOWN})


@fault("end-left", "ended-twice")
def an_end_that_was_left_again(files: Files) -> None:
    job = next(jobs(files))
    move(files, job, "success", "pending")
    move(files, job, "pending", "success")


@fault("bad-edge")
def an_action_that_went_back_to_the_queue(files: Files) -> None:
    job = next(jobs(files, "action", attempts=1))
    last = traces(files, "audit", job)[-1]
    files["audit"].remove(last)
    move(files, job, "inProgress", "pending")
    move(files, job, "pending", "inProgress")
    files["audit"].append({**last, "seq": 10**6})


@fault("bad-edge")
def a_mutation_that_was_seen_in_progress(files: Files) -> None:
    job = next(jobs(files))
    last = traces(files, "audit", job)[-1]
    move(files, job, "pending", "inProgress")
    files["audit"][-1]["seq"] = last["seq"] - 0.5
    last["old"] = "inProgress"


@fault("broken-chain")
def a_move_that_nobody_made(files: Files) -> None:
    job = next(jobs(files, "action", attempts=1))
    files["audit"].remove(traces(files, "audit", job)[1])


@fault("attempts-down")
def an_attempt_that_was_forgotten(files: Files) -> None:
    job = next(jobs(files, attempts=2))
    traces(files, "audit", job)[-1]["attempts"] = job["attempts"] = 0
    traces(files, "effects", job)[0]["attempt"] = 0


@fault("attempts-jumped")
def an_attempt_too_many(files: Files) -> None:
    job = next(jobs(files, attempts=1))
    traces(files, "audit", job)[-1]["attempts"] = job["attempts"] = 3
    traces(files, "effects", job)[0]["attempt"] = 3


@fault("stale-attempt")
def a_commit_of_an_attempt_that_was_given_up(files: Files) -> None:
    traces(files, "effects", next(jobs(files, attempts=2)))[0]["attempt"] = 1


@fault("unaudited")
def a_row_that_changed_behind_the_triggers(files: Files) -> None:
    next(jobs(files, state="failed", attempts=1))["attempts"] = 2


@fault("unaudited")
def a_row_that_came_behind_the_triggers(files: Files) -> None:
    for line in traces(files, "audit", next(jobs(files))):
        files["audit"].remove(line)


@fault("bad-edge")
def a_life_without_a_beginning(files: Files) -> None:
    files["audit"].remove(traces(files, "audit", next(jobs(files, attempts=2)))[0])


@fault("lost-job", "torn-children")
def a_row_that_went_behind_the_triggers(files: Files) -> None:
    job = next(child for parent in jobs(files) for child in children(files, parent))
    audit = traces(files, "audit", job)
    erase(files, job)
    files["audit"].extend(audit)


@fault("money-total", "money-account")
def money_lost(files: Files) -> None:
    files["accounts"][0]["balance"] -= 1


@fault("money-account")
def money_moved_by_nobody(files: Files) -> None:
    files["accounts"][0]["balance"] -= 1
    files["accounts"][1]["balance"] += 1


@fault("lost-job")
def an_acknowledged_job_lost(files: Files) -> None:
    erase(files, roots(files, intent(files, "schedule")[0]["call"])[0])


@fault("lost-job")
def a_job_lost_whose_id_was_not_told(files: Files) -> None:
    line, heard = intent(files, "schedule")
    heard["job"] = None
    erase(files, roots(files, line["call"])[0])


@fault("torn-call")
def one_job_of_an_acknowledged_call_lost(files: Files) -> None:
    erase(files, roots(files, intent(files, "direct_and_schedule")[0]["call"])[0])


@fault("torn-call")
def an_effect_without_the_jobs_that_belong_to_it(files: Files) -> None:
    line, heard = intent(files, "direct_and_schedule")
    heard["outcome"] = "info"
    for job in roots(files, line["call"]):
        erase(files, job)


@fault("torn-call")
def jobs_without_the_effect_that_belongs_to_them(files: Files) -> None:
    line, heard = intent(files, "direct_and_schedule")
    files["intents"].remove(heard)
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
def a_child_of_nobody(files: Files) -> None:
    again(files, next(jobs(files)), parent="e" * 32)


@fault("ghost-job")
def a_job_that_nobody_scheduled(files: Files) -> None:
    again(files, next(jobs(files)), parent=None, call="nobody")


@fault("ghost-effect")
def an_effect_that_nobody_asked_for(files: Files) -> None:
    add_effect(files, "nobody", None)


@fault("ghost-effect")
def an_effect_of_a_job_that_does_not_exist(files: Files) -> None:
    add_effect(files, "c1", {"id": UNKNOWN, "attempts": 1, "completed_time": 1700006400.0})


@fault("canceled-by-nobody")
def a_job_that_nobody_canceled(files: Files) -> None:
    intent(files, "cancel", answer="canceled")[1].update(outcome="fail", answer=None)


@fault("too-late-yet-canceled")
def a_cancel_that_was_too_late_and_canceled(files: Files) -> None:
    intent(files, "cancel", answer="canceled")[1]["answer"] = "too late"


@fault("canceled-yet-ran")
def a_cancel_that_canceled_what_ran(files: Files) -> None:
    for line in files["intents"]:
        targets = [job for job in jobs(files) if job["args"]["call"] == line.get("target")]
        heard = [each for each in files["intents"] if each["call"] == line["call"] and each.get("answer") == "too late"]
        if targets and heard:
            heard[0]["answer"] = "canceled"
            return


@fault("canceled-twice")
def two_cancels_that_were_both_the_first(files: Files) -> None:
    line, heard = intent(files, "cancel", answer="canceled")
    files["intents"].extend([{**line, "call": "c9999"}, {**heard, "call": "c9999"}])


@fault("cancel-out-of-time")
def a_cancel_that_was_acknowledged_before_it_happened(files: Files) -> None:
    line, heard = intent(files, "cancel", answer="canceled")
    heard["t1"] = line["t0"] - 10


@fault("too-late-yet-pending")
def a_cancel_that_was_too_late_before_the_end(files: Files) -> None:
    job = next(job for job in jobs(files) if job["completed_time"] - traces(files, "audit", job)[0]["at"] > 1)
    inserted, wish = traces(files, "audit", job)[0]["at"], {"call": "c9999", "client": 3, "op": "cancel", "kind": None}
    files["intents"].append({**wish, "due": None, "target": job["args"]["call"], "children": 0, "t0": inserted + 0.1})
    heard = {"outcome": "ok", "answer": "too late", "job": None, "t1": inserted + 0.2}
    files["intents"].append({"call": "c9999", **heard})


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


@fault("slot-unsaid")
def a_missed_slot_that_is_not_told(files: Files) -> None:
    erase(files, next(job for job in jobs(files, state="canceled", cron="tick") if "between" in job["state_error"]))


@fault("slot-overlap")
def a_run_of_a_cron_while_another_was_not_over(files: Files) -> None:
    traces(files, "audit", next(jobs(files, cron="tick")))[-1]["seq"] = 10**6


@fault("nothing-ran")
def a_run_without_jobs(files: Files) -> None:
    files.tables = {name: [] for name in files.tables}
    files.actions = []

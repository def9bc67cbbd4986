"""Faults in what single jobs did: their effects, starts, times, ends and moves."""

from __future__ import annotations

from typing import Final

from .planted_fault import Faults
from .planting import UNKNOWN, add_effect, children, erase, intent, is_target, jobs, move, steps, take_back, traces
from .rehearsal import Files

FAULTS: Final = Faults()
fault = FAULTS.fault


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
def a_move_without_a_cause(files: Files) -> None:
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

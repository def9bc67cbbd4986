"""Look for something in a made-up run that a fault can be planted in, and change it in every file that it stands in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from .rehearsal import Files, Line

UNKNOWN: Final = "f" * 32


# Looking for something in a run that a fault can be planted in.


def jobs(files: Files, kind: str = "mutation", state: str = "success", **values: Any) -> Iterator[Line]:
    for job in files["jobs"]:
        fits = job["kind"] == kind and job["state_kind"] == state and "steps" not in job["args"]
        if fits and all(job[key] == value for key, value in {"cron": None, **values}.items()):
            yield job


def traces(files: Files, table: str, job: Line) -> list[Line]:
    key = "job_id" if table in ("finished", "queue") else "job"
    return [line for line in files[table] if line.get(key) == job["id"]]


def steps(files: Files, job: Line) -> list[str]:
    return [line for line in files.actions if job["id"] in line]


def intent(files: Files, op: str, outcome: str = "ok", answer: Any = None) -> tuple[Line, Line]:
    """A call of a client, and its answer. A cancel is the only one of its job; of several jobs there are several."""
    answered = {line["call"]: line for line in files["intents"] if "outcome" in line}
    targets = Counter(line.get("target") for line in files["intents"])
    for line in files["intents"]:
        answer_line = answered.get(line["call"], {"outcome": None})
        fits = line.get("op") == op and answer_line["outcome"] == outcome and answer in (None, answer_line["answer"])
        is_plain = targets[line.get("target")] == 1 if op == "cancel" else op == "schedule" or line.get("children") != 1
        if fits and is_plain:
            return line, answer_line
    raise AssertionError(f"the rehearsal has no {op} that was answered {outcome}")


def is_target(files: Files, job: Line) -> bool:
    """Whether a client ever wanted it canceled."""
    return any(line.get("target") == job["args"]["call"] for line in files["intents"])


def roots(files: Files, call: str) -> list[Line]:
    return [job for job in files["jobs"] if job["parent"] is None and job["args"]["call"].split("/")[0] == call]


def children(files: Files, job: Line) -> list[Line]:
    return [child for child in files["jobs"] if child["parent"] == job["id"]]


# Changing it.


def add_effect(files: Files, call: str, job: Line | None, at: float | None = None) -> None:
    """An effect, money included, as a mutation writes it."""
    payer, payee = files["accounts"][0], files["accounts"][1]
    payer["balance"] -= 1
    payee["balance"] += 1
    row = {"call": call, "job": job and job["id"], "attempt": job["attempts"] if job else 0, "worker": "w2:2"}
    moved = [payer["account"], payee["account"], 1]
    files["effects"].append({**row, "at": at or (job["completed_time"] if job else 0.0), "moved": moved})


def take_back(files: Files, effect: Line) -> None:
    payer, payee, units = effect["moved"]
    files["effects"].remove(effect)
    for account in files["accounts"]:
        account["balance"] += units * ((account["account"] == payer) - (account["account"] == payee))


def erase(files: Files, job: Line) -> None:
    """A job that never was, with all its effects and children."""
    for child in children(files, job):
        erase(files, child)
    for effect in traces(files, "effects", job):
        take_back(files, effect)
    files["jobs"].remove(job)
    for table in ("audit", "finished", "markers"):
        for line in traces(files, table, job):
            files[table].remove(line)
    files.actions[:] = [line for line in files.actions if job["id"] not in line]


def again(files: Files, job: Line, **values: Any) -> Line:
    """The same job once more, run in the same way, after all others; with its mark, if all is the same."""
    marks = [] if values else traces(files, "markers", job)
    clone = {**job, "id": UNKNOWN, **values}
    clone["args"] = {"call": values.pop("call", job["args"]["call"]), "children": 0}
    clone.pop("call", None)
    files["jobs"].append(clone)
    for table, key in (("audit", "job"), ("finished", "job_id")):
        for n, line in enumerate(traces(files, table, job)):
            files[table].append({**line, key: clone["id"], "seq": 10**6 + n})
    for _ in traces(files, "effects", job):
        add_effect(files, clone["args"]["call"], clone)
    files["markers"].extend({**mark, "job": clone["id"]} for mark in marks)
    return clone


def move(files: Files, job: Line, old: str | None, new: str | None, attempts: int | None = None) -> None:
    seq = len(files["audit"]) + 1
    row = {"job": job["id"], "old": old, "new": new, "attempts": job["attempts"] if attempts is None else attempts}
    files["audit"].append({"seq": seq, **row, "at": job["completed_time"], "xid": seq})

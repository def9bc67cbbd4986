"""Valid runs, made up by a serial model: the checkers must find nothing in them, until a fault is planted."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

Line = dict[str, Any]

TABLES: Final = "intents effects accounts markers jobs queue finished audit faults crons history"
OPS: Final = ("schedule", "schedule", "direct", "direct_and_schedule", "cancel", "append")
ACCOUNTS: Final = 20
MIDNIGHT: Final = 1_700_006_400.0


@dataclass
class Files:
    """The files of a run, as lines that can still be changed."""

    tables: dict[str, list[Line]] = field(default_factory=lambda: {name: [] for name in TABLES.split()})
    actions: list[str] = field(default_factory=list)

    def __getitem__(self, name: str) -> list[Line]:
        return self.tables[name]

    def write(self, folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        for name, lines in self.tables.items():
            (folder / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
        (folder / "actions.log").write_text("".join(line + "\n" for line in self.actions), "utf-8")
        return folder


class Rehearsal:
    """One process that does everything, one thing after another, and writes it down as many would."""

    def __init__(self, seed: int, calls: int) -> None:
        self.files = Files()
        self._rng = Random(seed)
        self._now = MIDNIGHT
        self._number = 0
        self._jobs: dict[str, Line] = {}
        self._slots = {"tick": MIDNIGHT, "report": MIDNIGHT + 300}
        self._balances = dict.fromkeys(range(ACCOUNTS), 1000)
        self.files["crons"].append({"name": "tick", "schedule": "interval 40s"})
        self.files["crons"].append({"name": "report", "schedule": "cron */5 * * * *"})
        for _ in range(calls):
            self._call()
            self._now += 130 if self._chance(0.02) else 0  # nothing runs for a while, and slots are missed
            self._run_due()
        while self._pending():
            self._run_due()
        self.files["jobs"].extend(self._jobs.values())
        self.files["accounts"].extend({"account": key, "balance": value} for key, value in self._balances.items())

    def _pass(self) -> float:
        self._now = round(self._now + self._rng.uniform(0.001, 0.9), 3)
        return self._now

    def _chance(self, part: float) -> bool:
        return self._rng.random() < part

    # What clients do.

    def _call(self) -> None:
        self._number += 1
        call, op = f"c{self._number}", self._rng.choice(OPS)
        if op == "append":
            self._append_later(call)
        else:
            self._ask(call, op)

    def _ask(self, call: str, op: str) -> None:
        targets = [job for job in self._jobs.values() if job["parent"] is None and job["cron"] is None]
        if op == "cancel" and not targets:
            op = "direct"
        kind = self._rng.choice(["mutation", "action"]) if op == "schedule" else None
        due = round(self._now + self._rng.uniform(-5, 60), 3) if op == "schedule" else None
        target = self._rng.choice(targets) if op == "cancel" else None
        intent = {"call": call, "client": 1, "op": op, "kind": kind, "due": due, "children": 0, "t0": self._pass()}
        intent |= {"target": target and target["args"]["call"]}
        if op in ("schedule", "direct_and_schedule"):
            intent["children"] = self._rng.randint(0 if op == "schedule" else 1, 3)
        self.files["intents"].append(intent)
        outcome = self._rng.choices(["ok", "fail", "info"], [8, 1, 1])[0]
        happens = outcome == "ok" or (outcome == "info" and self._chance(0.5))
        answer, job = self._happen(intent, target) if happens else (None, None)
        if outcome != "info" or self._chance(0.5):
            answered = {"call": call, "outcome": outcome, "answer": answer, "job": job, "t1": self._pass()}
            self.files["intents"].append(answered if outcome == "ok" else answered | {"answer": None, "job": None})

    def _append_later(self, call: str) -> None:
        """A job that appends to a list of its own."""
        intent = {"call": call, "client": 2, "op": "schedule", "kind": "mutation", "due": None, "target": None}
        self.files["intents"].append({**intent, "children": 0, "t0": self._pass()})
        job = self._insert(call, "mutation", self._now, None, 0)
        job["args"]["steps"] = [["a", call, 1]]
        answered = {"call": call, "outcome": "ok", "answer": None, "job": job["id"], "t1": self._pass()}
        self.files["intents"].append(answered)

    def _happen(self, intent: Line, target: Line | None) -> tuple[Any, str | None]:
        if target is not None:
            return self._cancel(target), None
        if intent["op"] != "schedule":
            self._effect(intent["call"], None)
        if intent["op"] == "direct_and_schedule":
            for n in range(intent["children"]):
                kind = self._rng.choice(["mutation", "action"])
                self._insert(f"{intent['call']}/{n}", kind, self._now, None, self._rng.randint(0, 2))
        if intent["op"] == "schedule":
            job = self._insert(intent["call"], intent["kind"], intent["due"], None, intent["children"])
            self.files["markers"].append({"call": intent["call"], "job": job["id"]})
            return None, job["id"]
        return None, None

    def _cancel(self, job: Line) -> str:
        if job["state_kind"] != "pending":
            return "too late"
        self._end(job, "canceled")
        return "canceled"

    # What the system does.

    def _insert(
        self, call: str, kind: str, due: float, parent: Line | None, children: int, cron: str = "", skip: str = ""
    ) -> Line:
        job: Line = {
            "id": f"{self._rng.getrandbits(128):032x}",
            "name": "work:pay",
            "kind": kind,
            "args": {"call": call, "children": children},
            "scheduled_time": due,
            "state_kind": "canceled" if skip else "pending",
            "state_error": skip or None,
            "completed_time": self._now if skip else None,
            "cron": cron or None,
            "parent": parent and parent["id"],
            "attempts": 0,
            "last_error": None,
            "next_try": None,
            "started_time": None,
        }
        self._jobs[job["id"]] = job
        self._audit(job, None)
        return job

    def _audit(self, job: Line, old: str | None) -> None:
        seq, state = len(self.files["audit"]) + 1, {"old": old, "new": job["state_kind"], "attempts": job["attempts"]}
        self.files["audit"].append({"seq": seq, "job": job["id"], **state, "at": self._now, "xid": seq})

    def _change(self, job: Line, **values: Any) -> None:
        old = job["state_kind"]
        job |= values
        self._audit(job, old)

    def _end(self, job: Line, state: str, error: str | None = None, attempts: int | None = None) -> None:
        attempts = job["attempts"] if attempts is None else attempts
        self._change(job, state_kind=state, state_error=error, attempts=attempts, completed_time=self._now)
        self._remember(job)

    def _remember(self, job: Line) -> None:
        end = {"state_kind": job["state_kind"], "completed_time": job["completed_time"], "job_id": job["id"]}
        self.files["finished"].append(end)

    def _effect(self, call: str, job: Line | None, attempt: int = 0) -> None:
        payer, payee = self._rng.sample(range(ACCOUNTS), 2)
        self._balances[payer] -= 1
        self._balances[payee] += 1
        row = {"call": call, "job": job and job["id"], "attempt": attempt, "worker": "w1:1", "at": self._now}
        self.files["effects"].append({**row, "moved": [payer, payee, 1]})

    def _pending(self) -> list[Line]:
        return [job for job in self._jobs.values() if job["state_kind"] == "pending"]

    def _run_due(self) -> None:
        self._pass()
        self._fire_crons()
        if self._chance(0.1):
            self.files["faults"].append({"kind": "kill", "target": "w1", "t0": self._now, "t1": self._pass()})
        due = [job for job in self._pending() if job["scheduled_time"] <= self._now]
        for job in self._rng.sample(due, min(len(due), 3)):
            self._pass()
            if self._chance(0.1):
                self._change(job, attempts=job["attempts"] + 1, last_error="the process died")
            else:
                (self._run_mutation if job["kind"] == "mutation" else self._run_action)(job)

    def _children(self, job: Line, number: int) -> None:
        for n in range(number):
            self._insert(f"{job['args']['call']}/{n}", "mutation", self._now, job, 0)

    def _run_mutation(self, job: Line) -> None:
        attempt = job["attempts"] + 1
        if self._chance(0.1):
            return self._end(job, "failed", "ValueError: on purpose", attempt)
        call, steps = job["args"]["call"], job["args"].get("steps")
        if steps:
            times = {"t0": job["scheduled_time"], "t1": None, "type": "ok"}
            self.files["history"].append({"id": call, "proc": call, **times, "ops": steps})
            self.files["history"].append({"final": {call: [1]}})
        else:
            self._effect(call, job, attempt)
        self._children(job, job["args"]["children"])
        return self._end(job, "success", attempts=attempt)

    def _run_action(self, job: Line) -> None:
        attempt = job["attempts"] + 1
        self._change(job, state_kind="inProgress", attempts=attempt, started_time=self._now)
        fate = self._rng.choices(["end", "dead at once", "dead at last", "canceled"], [7, 1, 1, 1])[0]
        if fate == "dead at once":
            return self._end(job, "failed", "the process died")
        if fate == "canceled":
            self._number += 1
            wish = {"call": f"c{self._number}", "client": 2, "op": "cancel", "kind": None, "due": None, "children": 0}
            self.files["intents"].append({**wish, "target": job["args"]["call"], "t0": self._now})
            self._end(job, "canceled")
            answered = {"outcome": "ok", "answer": "canceled", "job": None, "t1": self._pass()}
            self.files["intents"].append({"call": wish["call"], **answered})
        self._log("start", job)
        if job["state_kind"] != "canceled":
            self._children(job, job["args"]["children"])
        self._pass()
        self._effect(job["args"]["call"], job, attempt)
        self._log("end", job)
        if fate == "dead at last":
            return self._end(job, "failed", "the process died")
        return None if fate == "canceled" else self._end(job, "success")

    def _log(self, what: str, job: Line) -> None:
        self.files.actions.append(f"{what} {job['args']['call']} {job['id']} {job['attempts']} 1 {self._now}")

    def _fire_crons(self) -> None:
        for cron, slot in self._slots.items():
            period = 40 if cron == "tick" else 300
            if slot > self._now:
                continue
            if any(job["cron"] == cron for job in self._pending()):
                self._skip(cron, slot, "skipped: the run before was not over")
            else:
                self._insert(f"cron-{cron}", "mutation", slot, None, 0, cron)
            missed = int((self._now - slot) // period)
            if missed:
                self._skip(cron, slot, f"skipped {missed} slots between then and now: nothing was running then")
            self._slots[cron] = slot + period * (missed + 1)

    def _skip(self, cron: str, slot: float, why: str) -> None:
        job = self._insert(f"cron-{cron}", "mutation", slot, None, 0, cron, why)
        self._remember(job)


def rehearse_history(seed: int, transactions: int, keys: int = 5) -> list[Line]:
    """Transactions that ran one after another, recorded as if they had overlapped."""
    rng = Random(seed)
    lists: dict[str, list[int]] = {}
    lines: list[Line] = []
    moment = MIDNIGHT
    for number in range(transactions):
        moment += 0.01
        kind = rng.choices(["ok", "fail", "info"], [18, 1, 1])[0]
        happens = kind == "ok" or (kind == "info" and rng.random() < 0.5)
        working = {key: list(values) for key, values in lists.items()} if not happens else lists
        ops: list[list[Any]] = []
        for n in range(rng.randint(1, 5)):
            key = f"k{number // 100}-{rng.randrange(keys)}"
            if rng.random() < 0.5:
                value = number * 10 + n
                working.setdefault(key, []).append(value)
                ops.append(["a", key, value])
            else:
                ops.append(["r", key, list(working.get(key, [])) if kind == "ok" else None])
        begin, end = moment - rng.uniform(0, 0.1), moment + rng.uniform(0, 0.1)
        times = {"t0": begin, "t1": None if kind == "info" else end}
        lines.append({"id": f"t{number}", "proc": number % 7, **times, "type": kind, "ops": ops})
    rng.shuffle(lines)
    return [*lines, *({"final": {key: values}} for key, values in lists.items())]


def rehearse(seed: int, calls: int = 150, transactions: int = 150) -> Files:
    """The files of a valid run of both kinds."""
    files = Rehearsal(seed, calls).files
    files["history"].extend(rehearse_history(seed, transactions))
    return files

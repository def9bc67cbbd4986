"""The moves of the engine as places: entered, done, before their COMMIT, after their COMMIT.

The child wraps the engine's own functions with this, so that it can kill itself, or take the time, at a chosen place.
A place is told as ``(move, moment)``; only moves that concern a job whose label holds ``VICTIM`` count.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any, Literal

from convexpy.dispatch.batch_runner import Group
from convexpy.dispatch.places import KeptPlaces
from convexpy.runtime.own_claims import OwnClaims
from convexpy.runtime.together import Together

from convexpy.database import crons, jobs
from convexpy.database.transaction import OpenTransaction
from convexpy.dispatch import recovery
from convexpy.dispatch.dispatcher import Dispatcher
from convexpy.dispatch.executor import Executor

from .app.outside import World

Moment = Literal["enter", "done", "before", "after"]
Listener = Callable[[str, Moment, str], None]

VICTIM = "victim"


class Track(threading.local):
    """The moves that the open transaction of this thread has made, each with a label."""

    def __init__(self) -> None:
        self.moves: dict[str, str] = {}
        # How many victims have begun in the open transaction that several share, and whether such a one fell apart.
        self.members = 0
        self.again = ""


class Moves:
    """Tells a listener of every place that is reached. It wraps the engine's functions for good: children only."""

    def __init__(self, listener: Listener) -> None:
        self._tell = listener
        self._track = Track()
        self._victims: set[str] = set()
        self._wrap(jobs, "claim_jobs", lambda args, claims: self._claimed(claims))
        self._wrap(jobs, "take", lambda args, taken: self._of_claim("take", args[1], taken))
        self._wrap(jobs, "start", lambda args, started: self._of_claim("start", args[1], started))
        self._wrap(jobs, "release", lambda args, released: self._of_claim("release", args[1], released))
        self._wrap(jobs, "finish_started", lambda args, ended: self._of_id("finish", args[1], ended))
        self._wrap(jobs, "insert_jobs", lambda args, _: self._inserted(args[1]))
        self._wrap(recovery, "recover_jobs", lambda args, _: ("rescue", VICTIM))
        self._wrap(jobs, "unclaim", lambda args, _: ("unclaim", VICTIM))
        self._wrap(crons, "advance", lambda args, won: ("cron", args[1]) if won is not False else None)
        self._wrap(Dispatcher, "claim", lambda args, _: (f"dispatch {args[1]}", VICTIM))
        self._wrap(OwnClaims, "claim", lambda args, won: self._born_claimed(args[1], won))
        self._wrap(KeptPlaces, "enter", lambda args, _: self._of_claims("enter", args[1]))
        self._wrap(KeptPlaces, "close", lambda args, _: ("close places", VICTIM))
        self._wrap(Together, "_begin", lambda args, _: ("member", str(args[1].values.get("label"))))
        self._wrap(jobs, "finish_all", lambda args, _: self._of_claims("finish all", args[1], kind=""))
        self._wrap(Group, "_tell", lambda args, _: self._of_claims("tell", [m.claim for m in args[1]], kind=""))
        self._wrap(Group, "_part", lambda args, _: self._of_claims("part", [m.claim for m in args[2]], kind=""))
        self._wrap(Service, "_give_back", lambda args, _: ("give back", VICTIM) if args[1] else None)
        self._wrap(Executor, "exactly_once", lambda args, _: self._of_claim("hand", args[1], True))
        self._wrap(Executor, "_finish", lambda args, _: self._of_claim("end", args[1], True))
        self._wrap(Executor, "at_most_once", lambda args, _: self._of_claim("hand", args[1], True))
        self._follow_transactions()
        self._follow_companies()
        World.on_reach = self._inside

    def _wrap(self, owner: Any, name: str, concerns: Callable[[Any, Any], tuple[str, str] | None]) -> None:
        original = getattr(owner, name)

        @functools.wraps(original)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            place = concerns(args, None)
            if place is not None and VICTIM in place[1]:
                self._tell(self._track.again + place[0], "enter", place[1])
            result = original(*args, **kwargs)
            place = concerns(args, result)
            if place is not None and VICTIM in place[1]:
                self._did(place[0], place[1])
            return result

        setattr(owner, name, wrapped)

    def _follow_transactions(self) -> None:
        begin, commit = OpenTransaction.__init__, OpenTransaction.commit
        track, tell = self._track, self._tell

        @functools.wraps(begin)
        def begun(held: OpenTransaction, *args: Any, **kwargs: Any) -> None:
            track.moves, track.members = {}, 0
            begin(held, *args, **kwargs)

        @functools.wraps(commit)
        def committed(held: OpenTransaction) -> None:
            for move, label in track.moves.items():
                tell(move, "before", label)
            commit(held)
            for move, label in track.moves.items():
                tell(move, "after", label)

        setattr(OpenTransaction, "__init__", begun)  # noqa: B010
        setattr(OpenTransaction, "commit", committed)  # noqa: B010

    def _follow_companies(self) -> None:
        run, track = Group.run, self._track

        @functools.wraps(run)
        def ran(group: Group, company: Any) -> None:
            track.again = ""
            run(group, company)

        setattr(Group, "run", ran)  # noqa: B010

    def _did(self, move: str, label: str) -> None:
        """A move was made. Members of a group are counted; what is done once more after one fell apart is named so."""
        track = self._track
        if move == "member":
            track.members += 1
            move = f"member {track.members}"
        move = track.again + move
        track.moves[move] = label
        self._tell(move, "done", label)
        if move.endswith("part"):
            track.again = "again "

    def _inside(self, place: str, label: str) -> None:
        if VICTIM in label:
            self._did(place, label)
            if self._track.members:
                self._did(f"{place} {self._track.members}", label)

    def _claimed(self, claims: Any) -> tuple[str, str] | None:
        ours = [claim for claim in claims or () if VICTIM in claim.args]
        self._victims.update(claim.job_id for claim in ours)
        return (f"claim {ours[0].kind}", ours[0].args) if ours else None

    def _of_claim(self, move: str, claim: Any, won: object) -> tuple[str, str] | None:
        return (f"{move} {claim.kind}", claim.args) if won is not False else None

    def _of_claims(self, move: str, claims: Any, kind: str | None = None) -> tuple[str, str] | None:
        ours = [claim for claim in claims if VICTIM in claim.args]
        return (f"{move} {ours[0].kind if kind is None else kind}".rstrip(), ours[0].args) if ours else None

    def _born_claimed(self, job: Any, claim: object) -> tuple[str, str] | None:
        """A job was claimed by the transaction that schedules it."""
        if claim is None or VICTIM not in job.args:
            return None
        self._victims.add(job.id)
        return f"own {'child' if job.parent else job.kind}", job.args

    def _of_id(self, move: str, job_id: str, won: object) -> tuple[str, str] | None:
        return (move, VICTIM) if job_id in self._victims and won is not False else None

    def _inserted(self, new: Any) -> tuple[str, str] | None:
        labels = [(job.parent, job.args) for job in new if VICTIM in job.args]
        if not labels or any(job.cron for job in new):
            return None
        parent, label = labels[0]
        return ("insert" if parent is None else "insert child"), label

"""The moves of the engine as steps at which a process can kill itself, wait, or take the time.

The child wraps the engine's own functions with this. A step is given as ``(move, moment)``; only moves that concern a
job whose label holds ``VICTIM`` count.

The moments of a move: a function is entered and has returned (``enter``, ``done``); then, for each move that an open
transaction has made, its COMMIT (``before``, ``after``) and the end of its commit, which has been published by then
(``published``).
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterable
from typing import Any, Literal

from convexpy.database import crons, jobs, workers
from convexpy.database.commits import CommitFeed
from convexpy.database.transaction import OpenTransaction
from convexpy.dispatch import recovery
from convexpy.dispatch.action_pool import ActionPool
from convexpy.dispatch.dispatcher import Dispatcher
from convexpy.dispatch.executor import JobExecutor
from convexpy.dispatch.mutation_pool import MutationPool
from convexpy.runtime.transaction import TransactionRunner

from .app.outside import World

Moment = Literal["enter", "done", "before", "after", "published"]
Listener = Callable[[str, Moment, str], None]
# A move and the label of the job that it concerns; None: it concerns no victim.
Move = tuple[str, str] | None

VICTIM = "victim"


def is_victim(text: str) -> bool:
    """Whether a label is a victim's, or arguments hold such a label. What holds a victim up is none."""
    return VICTIM in text and "/hold" not in text


class OpenMoves(threading.local):
    """The moves that the open transaction of this thread has made, each with a label."""

    def __init__(self) -> None:
        self.moves: dict[str, str] = {}
        # How many handlers of victims the open transaction has run, and whether a batch of theirs was split before.
        self.handlers = 0
        self.again = ""


class JobMoves:
    """Notifies a listener of every step. It wraps the engine's functions for good: children only."""

    def __init__(self, listener: Listener) -> None:
        self._notify = listener
        self._open = OpenMoves()
        self._victims: dict[str, str] = {}
        # A job, in the order of its life.
        self._wrap(jobs, "insert_jobs", lambda args, _: insertion(args[1]))
        self._wrap(Dispatcher, "claim", lambda args, _: (f"dispatch {args[1]}", VICTIM))
        self._wrap(jobs, "claim", lambda args, claims: self._claim(claims))
        self._wrap(MutationPool, "submit", lambda args, _: move_of("submit", [args[1]]))
        self._wrap(ActionPool, "submit", lambda args, _: move_of("submit", [args[1]]))
        self._wrap(JobExecutor, "perform", lambda args, _: move_of("perform", claims_of(args[1]._rest)))
        self._wrap(jobs, "lock", lambda args, locked: move_of("lock", [args[1]], locked))
        self._wrap(TransactionRunner, "_run", lambda args, _: handler_of(args[3]))
        self._wrap(JobExecutor, "run_action", lambda args, _: move_of("run", [args[1]]), has_end=False)
        self._wrap(jobs, "start", lambda args, started: move_of("start", [args[1]], started))
        self._wrap(jobs, "finish", lambda args, ended: self._end(args[1], args[2], ended))
        self._wrap(JobExecutor, "_finish", lambda args, _: self._of_key("end", args[1], True))
        self._wrap(JobExecutor, "_succeeded", lambda args, _: move_of("finalize", claims_of(args[1]), kind=""))
        self._wrap(JobExecutor, "_split", lambda args, _: move_of("split", claims_of(args[2]), kind=""))
        self._wrap(jobs, "release", lambda args, released: self._of_key("release", args[1], released))
        # What concerns several jobs.
        self._wrap(crons, "advance", lambda args, won: ("cron", args[1]) if won is not False else None)
        self._wrap(workers, "give_up", lambda args, given_up: ("give up", VICTIM) if given_up is not False else None)
        self._wrap(recovery, "recover_jobs", lambda args, _: ("recover", VICTIM))
        self._wrap(Dispatcher, "unclaim", lambda args, _: ("give back", VICTIM) if args[1] else None)
        self._wrap(jobs, "unclaim", lambda args, _: ("unclaim", VICTIM))
        self._wrap_transactions()
        self._wrap_batches()
        World.on_reach = self._reached_in_handler

    def _wrap(self, owner: Any, name: str, move_in: Callable[[Any, Any], Move], *, has_end: bool = True) -> None:
        """``move_in``: the move that a call is, by its arguments and its result, which is None at its beginning."""
        original = getattr(owner, name)

        @functools.wraps(original)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            entered = move_in(args, None)
            if entered is not None and is_victim(entered[1]):
                self._notify(self._name(entered[0], begins=True), "enter", entered[1])
            result = original(*args, **kwargs)
            done = move_in(args, result)
            # What a call was about may be gone when it has returned, as the items of a batch are.
            move = done if done is not None else entered if result is not False else None
            if has_end and move is not None and is_victim(move[1]):
                self._made(*move)
            return result

        setattr(owner, name, wrapped)

    def _wrap_transactions(self) -> None:
        begin, commit, publish = OpenTransaction.__init__, OpenTransaction.commit, CommitFeed.publish
        mine, notify = self._open, self._notify

        def notify_all(moment: Moment) -> None:
            for move, label in mine.moves.items():
                notify(move, moment, label)

        @functools.wraps(begin)
        def begun(transaction: OpenTransaction, *args: Any, **kwargs: Any) -> None:
            mine.moves, mine.handlers = {}, 0
            begin(transaction, *args, **kwargs)

        @functools.wraps(commit)
        def committed(transaction: OpenTransaction) -> None:
            notify_all("before")
            commit(transaction)
            notify_all("published")

        @functools.wraps(publish)
        def published(feed: CommitFeed, *args: Any, **kwargs: Any) -> None:
            notify_all("after")
            publish(feed, *args, **kwargs)

        setattr(OpenTransaction, "__init__", begun)  # noqa: B010
        setattr(OpenTransaction, "commit", committed)  # noqa: B010
        setattr(CommitFeed, "publish", published)  # noqa: B010

    def _wrap_batches(self) -> None:
        perform, mine = JobExecutor.perform, self._open

        @functools.wraps(perform)
        def performed(*args: Any, **kwargs: Any) -> None:
            mine.again = ""
            perform(*args, **kwargs)

        setattr(JobExecutor, "perform", performed)  # noqa: B010

    def _name(self, move: str, *, begins: bool = False) -> str:
        """Handlers of a transaction are counted; what is done once more after a split is named so."""
        mine = self._open
        if move == "handler":
            mine.handlers += begins
            move = f"handler {mine.handlers}"
        return mine.again + move

    def _made(self, move: str, label: str) -> None:
        """A move was made."""
        name = self._name(move)
        self._open.moves[name] = label
        self._notify(name, "done", label)
        if move == "split":
            self._open.again = "again "

    def _reached_in_handler(self, line: str, label: str) -> None:
        if is_victim(label):
            self._made(line, label)
            if self._open.handlers > 1 or self._open.again:
                self._made(f"{line} {self._open.handlers}", label)

    def _claim(self, claims: Any) -> Move:
        ours = [claim for claim in claims or () if is_victim(claim.args)]
        self._victims.update((claim.job_id, claim.kind) for claim in ours)
        return move_of("claim", ours)

    def _end(self, keys: Any, error: str | None, ended: object) -> Move:
        ours = [key for key in keys if key.job_id in self._victims]
        return self._of_key("finish" if error is None else "fail", ours[0], ended) if ours else None

    def _of_key(self, move: str, key: Any, won: object) -> Move:
        kind = self._victims.get(key.job_id)
        return (f"{move} {kind}", VICTIM) if kind is not None and won is not False else None


def move_of(move: str, claims: Iterable[Any], won: object = None, kind: str | None = None) -> Move:
    """The move of the first victim among these claims."""
    ours = [claim for claim in claims if is_victim(claim.args)]
    if not ours or won is False:
        return None
    return f"{move} {ours[0].kind if kind is None else kind}".rstrip(), ours[0].args


def claims_of(items: Iterable[Any]) -> list[Any]:
    return [item.claim for item in items]


def handler_of(claim: Any) -> Move:
    return None if claim is None else move_of("handler", [claim], kind="")


def insertion(new: Any) -> Move:
    labels = [(job, job.args) for job in new if is_victim(job.args)]
    if not labels:
        return None
    job, label = labels[0]
    return ("insert cron" if job.cron else "insert" if job.parent is None else "insert child"), label

"""Checkers of a run: what its files say about every job and every transaction, judged without anything of convexpy.

``check(folder)`` or ``python -m tests.stress.chaos.checkers FOLDER`` read these files, JSON lines except for the last;
times are Unix seconds. All must be there, though they may be empty; only ``crons.jsonl`` and ``markers.jsonl`` may be
absent, and the verdict then says what it does not show.

* ``intents.jsonl``: what clients were about to do, on the disk before it was sent, and a second line for what they
  heard. A call without one may have happened or not. A cancel is answered ``canceled`` (it was this cancel) or
  ``too late``.
* ``effects.jsonl``: the rows that mutations wrote, by call and, in a job, by job. ``accounts.jsonl``: what the units
  that every effect moved add up to.
* ``markers.jsonl``: call and job, written by every call that schedules one job for a time.
* ``jobs.jsonl``, ``queue.jsonl``, ``finished.jsonl``, ``crons.jsonl``: the framework's tables when all was quiet.
* ``audit.jsonl``: every change of a job's row, written by a trigger.
* ``faults.jsonl``: what was done to the system. ``history.jsonl``: transactions on lists.
* ``actions.log``: ``start|end <call> <job> <attempt> <pid> <time>``, appended by actions.

A job's arguments say what to expect of it: ``call`` is its name, the client's own or, for its children, that with
``/n`` behind it; ``children`` is how many jobs its success must schedule, none if it is absent; ``effects`` how many it
must leave, one if it is absent. A job without a call is only followed through its states. One with ``steps`` appends to
lists, and its effects are in the history.
"""

from .jobs import Rules
from .report import Report, check

__all__ = ["Report", "Rules", "check"]

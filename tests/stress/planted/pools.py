"""Bugs in the threads of a worker: the mutation pool, the concurrency limiter, the timer and the periodic threads."""

from __future__ import annotations

from typing import Final

from .bug import Bug

BLOCKED: Final = "tests/dispatch/test_blocked_event_loop.py"
ACTION_LIMITS: Final = "tests/runtime/test_action_limits.py"
OTHERS: Final = "tests/dispatch/test_batches_and_others.py"
LIMITER: Final = "tests/runtime/test_concurrency_limiter.py"
TIMER: Final = "tests/database/test_timer.py"
PERIODIC: Final = "tests/dispatch/test_periodic_thread.py"

POOLS: Final = (
    Bug(
        name="the rest of a batch that hangs is lost",
        breaks="jobs that shared a transaction with one that hangs wait until a restart",
        file="dispatch/mutation_pool.py",
        old="        for claim in others:\n            self._waiting.put(claim)\n",
        new="",
        tests=(f"{OTHERS}::test_one_that_hangs_fails_alone_and_the_others_run_meanwhile[sqlite]",),
    ),
    Bug(
        name="jobs wait behind a slow one",
        breaks="jobs wait behind one that takes long, though other threads have nothing to do",
        file="dispatch/mutation_pool.py",
        old="        for claim in batch.take_rest():\n",
        new="        for claim in ():\n",
        tests=(f"{OTHERS}::test_what_waits_behind_a_slow_one_is_run_by_other_threads",),
    ),
    Bug(
        name="a free thread has no capacity",
        breaks="while slow mutations run, a free thread waits for others to end before it gets the next one",
        file="dispatch/mutation_pool.py",
        old="        return held <= max(self._size() // 2, self._most_threads - 1)\n",
        new="        return held * 2 <= self._size()\n",
        tests=(f"{OTHERS}::test_the_next_slow_one_begins_as_soon_as_one_has_ended",),
    ),
    Bug(
        name="no second thread is started",
        breaks="slow mutations run one after the other, whatever mutation_concurrency says",
        file="dispatch/mutation_pool.py",
        old="needs_thread = len(self._threads) < self._most_threads and len(self._threads) < self._held.total()\n",
        new="needs_thread = not self._threads\n",
        tests=(f"{OTHERS}::test_slow_functions_still_run_side_by_side",),
    ),
    Bug(
        name="a call that hangs is waited for without end",
        breaks="one call that hangs stops every later call of its function, in this process, for ever",
        file="runtime/concurrency.py",
        old="        self._patience = patience_seconds\n        self._most_batches = most_batches\n",
        new="        self._patience = 1e6\n        self._most_batches = most_batches\n",
        tests=(f"{LIMITER}::test_a_waiter_goes_on_beside_a_call_that_hangs",),
    ),
    Bug(
        name="a batch that hangs is waited for without end",
        breaks="a handler that waits for a lock holds up every fast mutation of the process",
        file="runtime/concurrency.py",
        old="        return min(counted) + self._patience - now\n",
        new="        return 1e6\n",
        tests=(f"{LIMITER}::test_a_batch_waits_no_longer_than_its_patience",),
    ),
    Bug(
        name="a slot is not released",
        breaks="after one call of a function that met conflicts, its next calls wait in vain",
        file="runtime/concurrency.py",
        old="                del slots.holders[thread]\n",
        new="",
        tests=(f"{LIMITER}::test_a_call_that_raises_lets_the_next_one_in",),
    ),
    Bug(
        name="a thread waits for its own slot",
        breaks="a mutation that calls itself from an action's thread waits until the lock timeout",
        file="runtime/concurrency.py",
        old="thread in slots.holders or slots.limit() == math.inf:",
        new="slots.limit() == math.inf:",
        tests=(f"{LIMITER}::test_a_nested_block_does_not_wait_for_its_own_thread",),
    ),
    Bug(
        name="narrowing does not end",
        breaks="after one conflict, a function runs one call at a time for as long as the process lives",
        file="runtime/concurrency.py",
        old="        return time.monotonic() < self.narrow_until\n",
        new="        return self.narrow_until > 0\n",
        tests=(f"{LIMITER}::test_narrowing_ends_by_itself",),
    ),
    Bug(
        name="conflicts narrow nothing",
        breaks="functions that conflict with themselves run side by side and cost one another their work",
        file="runtime/concurrency.py",
        old="        self.narrow_until = time.monotonic() + NARROW_SECONDS\n",
        new="        pass\n",
        tests=(f"{LIMITER}::test_a_function_whose_conflicts_are_frequent_runs_one_at_a_time",),
    ),
    Bug(
        name="conflicts are never forgotten",
        breaks="a function that meets a conflict in ten calls runs one call at a time",
        file="runtime/concurrency.py",
        old="            slots.begin_try()\n",
        new="            pass\n",
        tests=(f"{LIMITER}::test_rare_conflicts_narrow_nothing",),
    ),
    Bug(
        name="the timer loses an earlier deadline",
        breaks="a handler that hangs is rolled back only when another deadline passes",
        file="database/timer.py",
        old="        if handle.deadline < self._sleeps_until:\n",
        new="        if self._thread is None:\n",
        tests=(f"{TIMER}::test_a_call_with_an_earlier_deadline_wakes_the_timer",),
    ),
    Bug(
        name="a callback's error ends the timer",
        breaks="after one error, no time limit of the process is enforced any more",
        file="database/timer.py",
        old="                except Exception:\n",
        new="                except MemoryError:\n",
        tests=(f"{TIMER}::test_an_exception_does_not_end_the_timer",),
    ),
    Bug(
        name="a canceled deadline is called",
        breaks="a handler that ended in time is interrupted in the middle of the next one",
        file="database/timer.py",
        old="        self._handles.pop(id(self), None)\n",
        new="        self._handles.get(id(self))\n",
        tests=(f"{TIMER}::test_a_canceled_call_is_not_made",),
    ),
    Bug(
        name="a wake during a tick is lost",
        breaks="what is scheduled while the dispatcher looks starts seconds later",
        file="dispatch/periodic_thread.py",
        old="        if self._next[index] == woken:\n",
        new="        if woken:\n",
        tests=(f"{PERIODIC}::test_a_wake_during_the_tick_brings_another_one",),
    ),
    Bug(
        name="a failing tick ends its thread",
        breaks="after one error of the database, a worker claims nothing any more",
        file="dispatch/periodic_thread.py",
        old="        except Exception as error:\n",
        new="        except MemoryError as error:\n",
        tests=(f"{PERIODIC}::test_a_failing_tick_is_tried_again_and_stops_no_other",),
    ),
    Bug(
        name="the standard threads for to_thread",
        breaks="a web app that runs actions hangs at its end, until the last of their threads returns",
        file="runtime/event_loop.py",
        old="                self._loop.set_default_executor(",
        new="                isinstance(object, type) or (",
        tests=("tests/cli/test_stop_grace.py::test_an_app_in_another_program_leaves_none_of_its_threads_behind",),
    ),
    Bug(
        name="a process that waits for threads",
        breaks="a worker whose app has a thread of its own is killed at every deploy, after minutes",
        file="cli/process_end.py",
        old="    os._exit(0)\n",
        new="    pass\n",
        tests=("tests/cli/test_stop_grace.py::test_a_thread_that_never_ends_does_not_keep_the_process_alive",),
    ),
    Bug(
        name="a pool that waits for itself",
        breaks="with action_concurrency 2, actions that call actions nine deep never end, nor does any other",
        file="runtime/thread_pool.py",
        old="        if self._name in held:\n",
        new="        if self._name in ():\n",
        tests=(f"{ACTION_LIMITS}::test_actions_that_call_actions_need_no_place_that_their_callers_hold",),
    ),
    Bug(
        name="threads that never return keep their places",
        breaks="after as many timeouts as there are threads, no `def` action runs until a restart",
        file="runtime/thread_pool.py",
        old="            self._most += 1\n",
        new="            self._most += 0\n",
        tests=(f"{ACTION_LIMITS}::test_places_of_threads_that_never_return_are_given_to_others",),
    ),
    Bug(
        name="an action goes on past its limit",
        breaks="an action that is said to have failed charges a card, a minute later",
        file="runtime/action_limit.py",
        old="time.monotonic() > deadline:",
        new="time.monotonic() < 0:",
        tests=(f"{ACTION_LIMITS}::test_an_action_past_its_limit_fails_and_may_call_nothing",),
    ),
    Bug(
        name="claims for a blocked event loop",
        breaks="one action that blocks holds up sixty-three others, beside a worker that has nothing to do",
        file="dispatch/action_pool.py",
        old="            self._is_blocked = not has_answered\n",
        new="",
        tests=(f"{BLOCKED}::test_what_waits_behind_a_blocked_event_loop_is_run_by_another_worker",),
    ),
    Bug(
        name="claims that have not begun are kept at a stop",
        breaks="after a deploy, actions that never began wait a minute for their worker to count as dead",
        file="dispatch/action_pool.py",
        old="            untried = list(self._waiting.values())\n",
        new="            untried: list[Claim] = []\n",
        tests=(f"{BLOCKED}::test_at_a_stop_what_has_not_begun_is_given_back",),
    ),
)

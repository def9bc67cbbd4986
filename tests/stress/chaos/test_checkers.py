"""The job checker finds nothing in valid runs, and every planted fault under its name."""

from __future__ import annotations

import ast
import json
import sys
from copy import deepcopy
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from random import Random

import pytest
from croniter import croniter
from hypothesis import given, settings
from hypothesis import strategies as st

from . import checkers
from .checkers import Rules, check
from .checkers.__main__ import main
from .checkers.planted_faults import FAULTS
from .checkers.planted_in_jobs import a_mutation_before_it_is_due, an_effect_twice
from .checkers.planting import erase, intent, jobs, move, roots, steps, take_back, traces
from .checkers.rehearsal import Files, Line, rehearse
from .checkers.timetables import following
from .checkers.verdict import COUNTED_AS

# One whose run has something to plant every fault in.
SEED = 10


@cache
def valid() -> Files:
    return rehearse(SEED, calls=90, transactions=5)


@pytest.fixture
def files() -> Files:
    return deepcopy(valid())


@pytest.mark.parametrize("planted", FAULTS)
def test_a_planted_fault_is_found_under_its_name(planted: str, files: Files, tmp_path: Path) -> None:
    names, plant = FAULTS[planted]
    plant(files)
    assert set(check(files.write(tmp_path)).jobs.names()) == names


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**64))
def test_nothing_is_found_in_a_valid_run(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    report = check(rehearse(seed, calls=60, transactions=20).write(tmp_path_factory.mktemp("run")))
    assert report.is_clean, list(report.lines())


def test_every_count_of_an_operator_is_shown_by_some_fault() -> None:
    named = {name for names, _ in FAULTS.values() for name in names}
    assert {name for name in COUNTED_AS if name != "torn-transaction"} <= named


# What else a verdict rests on.


def test_a_job_that_was_purged_after_its_end_is_not_lost(files: Files, tmp_path: Path) -> None:
    job = next(job for job in jobs(files) if not job["args"]["children"] and job["parent"] is None)
    move(files, job, "success", None)
    files["jobs"].remove(job)
    files["finished"].remove(traces(files, "finished", job)[0])
    assert check(files.write(tmp_path)).is_clean


def test_a_call_without_an_answer_may_have_happened_or_not(files: Files, tmp_path: Path) -> None:
    line, answered = intent(files, "direct_and_schedule")
    files["intents"].remove(answered)
    assert check(files.write(tmp_path / "it happened")).is_clean
    for job in roots(files, line["call"]):
        erase(files, job)
    take_back(files, next(effect for effect in files["effects"] if effect["call"] == line["call"]))
    files["intents"][:] = [each for each in files["intents"] if not is_cancel_of(each, line["call"])]
    assert check(files.write(tmp_path / "it did not")).is_clean


def is_cancel_of(line: Line, call: str) -> bool:
    return (line.get("target") or "").split("/")[0] == call


def test_a_handler_past_its_time_limit_failed_by_itself(files: Files, tmp_path: Path) -> None:
    text = "TIMEOUT: work:pay ran past its time limit: QueryCanceled: canceling statement"
    next(jobs(files, state="failed"))["state_error"] = text
    assert check(files.write(tmp_path)).is_clean


def test_an_early_start_by_a_worker_with_a_wrong_clock_is_excused(files: Files, tmp_path: Path) -> None:
    a_mutation_before_it_is_due(files)
    at = traces(files, "effects", next(jobs(files)))[0]["at"]
    files["faults"].append({"kind": "clock jump", "target": "w1", "t0": at - 1, "t1": at + 1})
    files.write(tmp_path)
    assert check(tmp_path, Rules(excuses="clock")).is_clean
    assert check(tmp_path, Rules(excuses="kill")).jobs.names() == {"early": 1}
    assert check(tmp_path).jobs.names() == {"early": 1}


def test_a_delay_is_counted_from_the_last_fault_and_its_grace(files: Files, tmp_path: Path) -> None:
    files["faults"].clear()
    job = next(job for job in jobs(files) if not job["args"]["children"] and job["parent"] is None)
    effect = traces(files, "effects", job)[0]
    ready = max(job["scheduled_time"], traces(files, "audit", job)[0]["at"])
    effect["at"] = ready + 1000.0
    report = check(files.write(tmp_path), Rules(longest_delay=999))
    assert report.jobs.names() == {"late": 1}
    assert report.jobs.figures["delay max"] == pytest.approx(1000)
    files["faults"].append({"kind": "kill", "target": "w1", "t0": ready + 1, "t1": ready + 990})
    report = check(files.write(tmp_path), Rules(longest_delay=999, grace=6.0))
    assert report.is_clean
    assert report.jobs.figures["delay max"] == pytest.approx(1000)
    files["faults"][0] |= {"t0": ready + 1001, "t1": ready + 1002}  # too late to be the reason
    assert check(files.write(tmp_path), Rules(longest_delay=999)).jobs.names() == {"late": 1}


def test_lines_that_were_written_in_part_are_told(files: Files, tmp_path: Path) -> None:
    folder = files.write(tmp_path)
    for name in ("intents.jsonl", "actions.log", "history.jsonl"):
        with (folder / name).open("a", encoding="utf-8") as file:
            file.write('{"call": "c1')
    report = check(folder)
    assert report.is_clean
    assert [note.partition(" ")[0] for note in (*report.jobs.notes, *report.history.notes)] == ["2", "1"]


def test_a_bad_line_of_a_dump_is_named(files: Files, tmp_path: Path) -> None:
    folder = files.write(tmp_path)
    (folder / "finished.jsonl").write_text('{"job_id": "x", "state_kind": "success"}\n{"state_kind"', "utf-8")
    with pytest.raises(ValueError, match=r"finished\.jsonl:2: "):
        check(folder)


@pytest.mark.parametrize("name", ["intents.jsonl", "audit.jsonl", "actions.log", "history.jsonl", "faults.jsonl"])
def test_a_missing_file_is_no_clean_run(
    name: str, files: Files, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (files.write(tmp_path) / name).unlink()
    assert main([str(tmp_path)]) == 2
    assert f"{name} is missing" in capsys.readouterr().err


def test_without_timetables_or_marks_the_verdict_names_its_gaps(files: Files, tmp_path: Path) -> None:
    (files.write(tmp_path) / "crons.jsonl").unlink()
    (tmp_path / "markers.jsonl").unlink()
    report = check(tmp_path)
    assert report.is_clean
    assert [note.rpartition("there is no ")[2] for note in report.jobs.notes] == ["crons.jsonl", "markers.jsonl"]


def test_the_command_says_clean_and_exits_0(files: Files, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(files.write(tmp_path))]) == 0
    output = capsys.readouterr().out.splitlines()
    assert output[-1] == "CLEAN"
    assert "lost 0, doubled mutations 0, doubled actions 0, stuck 0, early 0, torn 0, other 0" in output


def test_the_command_shows_the_timeline_and_exits_1(
    files: Files, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = next(jobs(files, "action", attempts=1))
    files.actions += [steps(files, job)[0], f"end {job['args']['call']} {job['id']}"]  # and one that was cut off
    files["history"].append({"id": "t", "proc": 1, "t0": 1, "t1": 2, "type": "ok", "ops": [["a", "lonely", 1]]})
    assert main([str(files.write(tmp_path))]) == 1
    output = capsys.readouterr().out
    assert "BROKEN: 2 violations" in output
    assert "VIOLATION action-started-twice" in output
    assert "VIOLATION lost-effect: the transaction t committed" in output
    files_named = [line.split()[1] for line in output.splitlines() if job["id"] in line and line.startswith("    ")]
    assert {"jobs", "audit", "finished", "actions"} <= set(files_named)
    assert files_named.count("actions") == 4


def test_the_command_gives_numbers_to_programs(
    files: Files, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    an_effect_twice(files)
    assert main([str(files.write(tmp_path)), "--json"]) == 1
    output = json.loads(capsys.readouterr().out)
    assert output["jobs"]["doubled mutations"] == 1
    assert output["violations"] == {"effect-twice": 1}
    assert not output["clean"]


# The oracle of slots, and its word against the library that the engine uses.


def random_field(rng: Random, low: int, high: int) -> str:
    first, last = sorted(rng.sample(range(low, high), 2))
    return rng.choice(["*", "*", f"{first}", f"{first}-{last}", f"{first},{last}", "*/7", f"{first}-{last}/2"])


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**64))
def test_the_oracle_agrees_with_croniter(seed: int) -> None:
    rng = Random(seed)
    minute, hour, day, weekday = (random_field(rng, *each) for each in ((0, 59), (0, 23), (1, 28), (0, 6)))
    expression = f"{minute} {hour} {day} * {weekday}"
    moment = datetime(2024, 1, 1, tzinfo=UTC).timestamp() + rng.randrange(10**8)
    cursor = croniter(expression, datetime.fromtimestamp(moment, UTC))
    after, slot = following(f"cron {expression}"), moment
    for _ in range(2):
        slot = after(round(slot * 1_000_000)) / 1_000_000
        assert datetime.fromtimestamp(slot, UTC) == cursor.get_next(datetime), expression


@pytest.mark.parametrize(
    ("schedule", "slot", "expected"),
    [
        pytest.param("interval 90.5s", "2024-02-28T23:59:00", "2024-02-29T00:00:30.5", id="an-interval"),
        pytest.param("cron 0 0 29 2 *", "2024-02-01T00:00:00", "2024-02-29T00:00:00", id="a-leap-day"),
        pytest.param("cron 5 9 * jan mon-fri", "2023-12-30T00:00:00", "2024-01-01T09:05:00", id="names"),
        pytest.param("cron 0 0 13 * 5", "2024-09-06T00:00:00", "2024-09-13T00:00:00", id="both-days"),
        pytest.param("cron 0 0 13 * 5", "2024-10-11T00:00:00", "2024-10-13T00:00:00", id="either-day"),
        pytest.param("cron 0 0 * * 7", "2024-09-07T00:00:00", "2024-09-08T00:00:00", id="sunday-is-7"),
    ],
)
def test_the_oracle_knows_the_calendar(schedule: str, slot: str, expected: str) -> None:
    first, second = (round(datetime.fromisoformat(f"{each}+00:00").timestamp() * 1e6) for each in (slot, expected))
    assert following(schedule)(first) == second


def test_the_checkers_import_nothing_but_the_standard_library() -> None:
    for path in Path(checkers.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                assert node.level <= 1, f"{path.name} imports from outside of its folder"
                modules = [] if node.level else [node.module or ""]
            strange = [module for module in modules if module.partition(".")[0] not in sys.stdlib_module_names]
            assert not strange, f"{path.name} imports {strange}"

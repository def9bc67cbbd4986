"""Mistakes in cron expressions: each is refused and explained, with what would work."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convexpy.functions.timetable import BadCron, CronExpression

NOON = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)  # a Tuesday


def problem_with(expression: object) -> str:
    with pytest.raises(BadCron) as caught:
        CronExpression(expression)  # type: ignore[arg-type]
    return str(caught.value)


def refusal_of(expression: str) -> str | None:
    try:
        CronExpression(expression)
    except BadCron as error:
        return str(error)
    return None


@pytest.mark.parametrize("word", ["*/{}", "1-{}", "{}-5", "{}", "5/{}"])
def test_a_number_too_long_for_python_to_read_is_refused_like_any_other(word: str) -> None:
    assert "is not a valid minute" in problem_with(f"{word.format('9' * 5000)} * * * *")


@pytest.mark.parametrize(
    ("expression", "field", "fault"),
    [
        ("60 * * * *", "minute", "60"),
        ("0 24 * * *", "hour", "24"),
        ("0 0 0 * *", "day of month", "0"),
        ("0 0 32 * *", "day of month", "32"),
        ("0 0 1 13 *", "month", "13"),
        ("0 0 1 foo *", "month", "foo"),
        ("0 0 * * 8", "day of week", "8"),
        ("0 0 * * mon#6", "day of week", "mon#6"),
        ("*/0 * * * *", "minute", "*/0"),
        ("1,,2 * * * *", "minute", "1,,2"),
        ("-5 * * * *", "minute", "-5"),
        ("0 1.5 * * *", "hour", "1.5"),
        ("0 0 * * monday", "day of week", "monday"),
    ],
)
def test_an_invalid_field_is_named_and_marked_beside_a_valid_example(expression: str, field: str, fault: str) -> None:
    complaint, shown, carets, example = problem_with(expression).split("\n    ")
    assert complaint.startswith(f"{fault!r} is not a valid {field}: it takes ")
    assert shown == expression
    assert shown[carets.index("^") : carets.rindex("^") + 1] == fault
    assert CronExpression(example.split("'")[1])


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 6, 7])
def test_an_expression_without_exactly_five_fields_is_refused(count: int) -> None:
    problem = problem_with(" ".join("*" * count))
    assert f"it has {count} field" in problem
    assert "needs exactly five: minute, hour, day of month, month, day of week" in problem
    assert ("no seconds or years" in problem) == (count > 5)
    assert problem.count("^") == max(0, count - 5)


def test_fields_are_not_separated_by_unicode_spaces() -> None:
    assert "it has 4 fields" in problem_with("0\u00a09 * * *")


@pytest.mark.parametrize("word", ["R", "H", "r/5", "H/5", "R(0-30)", "h(0-29)/10"])
def test_random_and_hashed_fields_are_refused(word: str) -> None:
    assert "random" in problem_with(f"{word} * * * *")
    assert "random" in problem_with(f"0 0 {word} * *")


def test_named_expressions_are_refused_with_the_five_fields_they_stand_for() -> None:
    assert "Write '0 0 * * *'" in problem_with("@daily")
    assert "Write '0 * * * *'" in problem_with("@Hourly")
    assert "Write five fields" in problem_with("@reboot")


@pytest.mark.parametrize(
    ("expression", "instead"),
    [
        ("55-5 * * * *", "55-59,0-5"),
        ("0 23-0 * * *", "23,0"),
        ("0 0 * nov-feb *", "11-12,1-2"),
        ("0 0 * * fri-mon", "5-6,0-1"),
        ("0 0 * * 5-0", "5-6,0"),
    ],
)
def test_a_range_that_runs_backwards_is_refused_with_two_that_work(expression: str, instead: str) -> None:
    problem = problem_with(expression)
    assert f"runs backwards. Write two, such as {instead!r}" in problem
    wrong = problem.split("'")[1]
    assert CronExpression(expression.replace(wrong, instead))


@pytest.mark.parametrize("word", ["5-5", "5-5/2"])
def test_a_range_of_one_value_is_refused_because_it_would_mean_every_value(word: str) -> None:
    assert "has one value. Write '5'" in problem_with(f"{word} * * * *")
    assert "has one value" in problem_with("0 0 * * 7-7")


@pytest.mark.parametrize("expression", ["*/90 * * * *", "0 */36 * * *", "0 0 */45 * *", "0 0 1 */18 *", "0 0 * * */8"])
def test_a_step_larger_than_its_field_is_refused(expression: str) -> None:
    assert "is larger than the" in problem_with(expression)


@pytest.mark.parametrize("expression", ["0 0 31 2 *", "0 0 30 feb *", "0 0 31 2,4,6,9,11 *", "0 0 31 4 0-6"])
def test_a_date_that_never_comes_is_refused(expression: str) -> None:
    problem = problem_with(expression)
    assert "there is no such date" in problem
    assert "^" in problem


@pytest.mark.parametrize("expression", ["0 0 15w * 1", "0 0 13 * fri#2", "0 0 1 * l5"])
def test_special_days_beside_the_other_day_field_are_refused(
    expression: str,
) -> None:
    assert "Make it two crons" in problem_with(expression)


@pytest.mark.parametrize("expression", [5, None, ["*"] * 5, b"* * * * *", True])
def test_an_expression_that_is_not_text_is_refused(expression: object) -> None:
    assert "is not a cron expression" in problem_with(expression)


@given(st.lists(st.text("*/-,#?lwhr0123456789monjasu @\x00é", max_size=6), min_size=4, max_size=6).map(" ".join))
@settings(deadline=None)
def test_any_text_is_either_a_cron_or_a_readable_refusal(text: str) -> None:
    refused = refusal_of(text)
    if refused is not None:
        assert all(line.isprintable() for line in refused.split("\n"))
        return
    cron = CronExpression(text)
    assert CronExpression(cron.expression) == cron
    slots = [NOON, cron.first(NOON)]
    slots.append(cron.after(slots[1], slots[1]))
    assert all(one < next_one for one, next_one in pairwise(slots))

"""A payment is tried until it succeeds, until it cannot succeed, or until its attempts are used up."""

import asyncio
import random
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from convexpy import ConvexError, ErrorCode
from convexpy.testing import ConvexTest

from billing import provider
from billing.models import Account, Payment
from billing.payments import (
    MAX_DELAY,
    MAX_FAILURES,
    PaymentView,
    attempt,
    cancel,
    charge,
    delay_after,
    get_payment,
    pay,
    settle,
)


class Provider:
    """Answers as it is told to, one answer an attempt, and remembers when it was asked and with which key."""

    def __init__(self, convex: ConvexTest) -> None:
        self._convex = convex
        self.answers: Iterator[str | BaseException] = iter(())
        self.asked: list[datetime] = []
        self.keys: set[str] = set()

    async def charge(self, cents: int, idempotency_key: str) -> str:
        self.asked.append(self._convex.now)
        self.keys.add(idempotency_key)
        answer = next(self.answers)
        if isinstance(answer, BaseException):
            raise answer
        return answer


NO_ANSWER = ConnectionError("no answer")
INTERRUPTED = asyncio.CancelledError()


@pytest.fixture
def bank(convex: ConvexTest, monkeypatch: pytest.MonkeyPatch) -> Provider:
    """A provider to tell what to answer, and no jitter: the waits are 1, 2, 4, … seconds."""
    bank = Provider(convex)
    monkeypatch.setattr(provider, "charge", bank.charge)
    monkeypatch.setattr(random, "uniform", lambda low, high: (low + high) / 2)
    return bank


def balance(convex: ConvexTest) -> int:
    with convex.db() as db:
        account = db.get(Account, "ada")
        return account.cents if account is not None else 0


def view(convex: ConvexTest, payment_id: str) -> PaymentView:
    found = convex.run(get_payment, payment_id=payment_id)
    assert found is not None
    return found


def ends(convex: ConvexTest) -> int:
    return len(convex.jobs(name="payments:on_complete"))


def test_a_payment_succeeds_at_the_first_attempt(convex: ConvexTest, bank: Provider) -> None:
    bank.answers = iter(["r1"])
    payment_id = convex.run(pay, account_id="ada", cents=420)
    convex.run_due()
    assert view(convex, payment_id) == PaymentView(status="charged", failures=0, error=None)
    assert balance(convex) == 420
    convex.finish_all_scheduled()
    assert bank.asked == [convex.now - timedelta(seconds=1)]
    assert (balance(convex), ends(convex)) == (420, 1)


def test_a_payment_succeeds_at_the_third_attempt(convex: ConvexTest, bank: Provider) -> None:
    bank.answers = iter([NO_ANSWER, NO_ANSWER, "r1"])
    began = convex.now
    payment_id = convex.run(pay, account_id="ada", cents=420)
    convex.advance(seconds=2)
    waiting = view(convex, payment_id)
    assert (waiting.status, waiting.failures) == ("charging", 1)
    assert "ConnectionError: no answer" in str(waiting.error)
    convex.advance(seconds=1)
    assert view(convex, payment_id) == PaymentView(status="charged", failures=2, error=None)
    assert [asked - began for asked in bank.asked] == [timedelta(seconds=seconds) for seconds in (0, 1, 3)]
    assert bank.keys == {payment_id}
    convex.finish_all_scheduled()
    assert (balance(convex), ends(convex)) == (420, 1)


def test_a_payment_gives_up_when_its_attempts_are_used_up(convex: ConvexTest, bank: Provider) -> None:
    bank.answers = iter([NO_ANSWER] * MAX_FAILURES)
    began = convex.now
    payment_id = convex.run(pay, account_id="ada", cents=420)
    convex.advance(seconds=30)
    assert view(convex, payment_id).status == "charging"
    convex.advance(seconds=1)
    given_up = view(convex, payment_id)
    assert (given_up.status, given_up.failures) == ("failed", MAX_FAILURES)
    assert [asked - began for asked in bank.asked] == [timedelta(seconds=seconds) for seconds in (0, 1, 3, 7, 15)]
    convex.finish_all_scheduled()
    assert (balance(convex), ends(convex)) == (0, 1)


@pytest.mark.parametrize("code", ["PAYMENT_REQUIRED", "BAD_REQUEST", "FORBIDDEN"])
def test_a_permanent_error_is_not_tried_again(convex: ConvexTest, bank: Provider, code: ErrorCode) -> None:
    bank.answers = iter([ConvexError(code, "The card was declined")])
    payment_id = convex.run(pay, account_id="ada", cents=420)
    convex.run_due()
    declined = PaymentView(status="failed", failures=0, error=f"{code}: The card was declined")
    assert view(convex, payment_id) == declined
    convex.finish_all_scheduled()
    assert view(convex, payment_id) == declined
    assert len(bank.asked) == ends(convex) == 1
    assert [job.state.kind for job in convex.jobs(name="payments:charge")] == ["failed"]


@pytest.mark.parametrize("code", ["TOO_MANY_REQUESTS", "TIMEOUT", "CONFLICT", "SERVICE_UNAVAILABLE"])
def test_an_error_that_may_pass_is_tried_again(convex: ConvexTest, bank: Provider, code: ErrorCode) -> None:
    bank.answers = iter([ConvexError(code), "r1"])
    payment_id = convex.run(pay, account_id="ada", cents=420)
    convex.finish_all_scheduled()
    assert view(convex, payment_id) == PaymentView(status="charged", failures=1, error=None)


def test_an_attempt_that_was_interrupted_is_made_again_with_the_same_key(convex: ConvexTest, bank: Provider) -> None:
    bank.answers = iter([INTERRUPTED, "r1"])
    payment_id = convex.run(pay, account_id="ada", cents=420)
    convex.run_due()
    (lost,) = convex.jobs(name="payments:charge")
    assert "CancelledError" in str(lost.state.error)
    convex.finish_all_scheduled()
    assert view(convex, payment_id) == PaymentView(status="charged", failures=1, error=None)
    assert bank.keys == {payment_id}
    assert (balance(convex), ends(convex)) == (420, 1)


def test_an_attempt_that_was_believed_dead_does_not_pay_twice(convex: ConvexTest, bank: Provider) -> None:
    bank.answers = iter(["r1"])
    payment_id = convex.run(pay, account_id="ada", cents=420)
    convex.finish_all_scheduled()
    convex.run(settle, payment_id=payment_id, status="charged", receipt="r1")
    convex.run(settle, payment_id=payment_id, status="failed", error="declined")
    convex.finish_all_scheduled()
    assert view(convex, payment_id) == PaymentView(status="charged", failures=0, error=None)
    assert (balance(convex), ends(convex)) == (420, 1)


def test_the_receipt_of_a_payment_that_was_given_up_is_kept(convex: ConvexTest, bank: Provider) -> None:
    bank.answers = iter([NO_ANSWER])
    payment_id = convex.run(pay, account_id="ada", cents=420)
    convex.run_due()
    convex.run(cancel, payment_id=payment_id)
    convex.run(settle, payment_id=payment_id, status="charged", receipt="late")
    with convex.db() as db:
        payment = db.get_one(Payment, payment_id)
        assert (payment.status, payment.receipt) == ("canceled", "late")


def test_a_payment_is_canceled_between_two_attempts(convex: ConvexTest, bank: Provider) -> None:
    bank.answers = iter([NO_ANSWER])
    payment_id = convex.run(pay, account_id="ada", cents=420)
    convex.run_due()
    convex.run(cancel, payment_id=payment_id)
    assert [job.state.kind for job in convex.jobs(name="payments:attempt")] == ["canceled"]
    convex.finish_all_scheduled()
    assert view(convex, payment_id).status == "canceled"
    assert (len(bank.asked), ends(convex), balance(convex)) == (1, 1, 0)


def test_a_payment_is_canceled_before_its_first_attempt(convex: ConvexTest, bank: Provider) -> None:
    payment_id = convex.run(pay, account_id="ada", cents=420)
    convex.run(cancel, payment_id=payment_id)
    convex.finish_all_scheduled()
    assert bank.asked == []
    assert [job.state.kind for job in convex.jobs(name="payments:charge")] == ["canceled"]


def test_a_payment_that_is_over_cannot_be_canceled(convex: ConvexTest, bank: Provider) -> None:
    bank.answers = iter(["r1"])
    payment_id = convex.run(pay, account_id="ada", cents=420)
    convex.run_due()
    with pytest.raises(ConvexError, match="CONFLICT: The payment is charged"):
        convex.run(cancel, payment_id=payment_id)
    with pytest.raises(ConvexError, match="NOT_FOUND"):
        convex.run(cancel, payment_id="there is none")


def test_while_an_attempt_runs_it_is_neither_canceled_nor_doubled(
    convex: ConvexTest, bank: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def charge(cents: int, idempotency_key: str) -> str:
        """While the provider takes its time, somebody looks, and somebody wants to cancel."""
        await asyncio.to_thread(convex.run, attempt, payment_id=idempotency_key)
        with pytest.raises(ConvexError, match="CONFLICT: The payment is charging"):
            await asyncio.to_thread(convex.run, cancel, payment_id=idempotency_key)
        return await bank.charge(cents, idempotency_key)

    monkeypatch.setattr(provider, "charge", charge)
    bank.answers = iter(["r1"])
    payment_id = convex.run(pay, account_id="ada", cents=420)
    convex.finish_all_scheduled()
    assert view(convex, payment_id) == PaymentView(status="charged", failures=0, error=None)
    assert len(convex.jobs(name="payments:charge")) == 1


def test_an_attempt_that_an_operator_canceled_counts_as_failed(convex: ConvexTest, bank: Provider) -> None:
    bank.answers = iter([NO_ANSWER, "r1"])
    payment_id = convex.run(pay, account_id="ada", cents=420)
    convex.call("_system/jobs:cancel", {"job_id": convex.jobs(name="payments:charge")[0].id})
    convex.advance(seconds=1)
    assert view(convex, payment_id) == PaymentView(status="charging", failures=1, error="canceled")
    convex.finish_all_scheduled()
    assert view(convex, payment_id) == PaymentView(status="charged", failures=2, error=None)


def test_a_late_attempt_does_not_ask_for_a_payment_that_is_over(convex: ConvexTest, bank: Provider) -> None:
    bank.answers = iter(["r1"])
    payment_id = convex.run(pay, account_id="ada", cents=420)
    convex.run_due()
    convex.run(charge, payment_id=payment_id)
    assert len(bank.asked) == 1


def test_waits_double_up_to_a_limit_with_half_of_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    for bound, expected in ((min, 0.5), (max, 1.5)):
        monkeypatch.setattr(random, "uniform", lambda low, high, bound=bound: bound(low, high))
        assert [delay_after(number).total_seconds() / expected for number in range(1, 8)] == [1, 2, 4, 8, 16, 32, 60]
        assert delay_after(1000) == MAX_DELAY * expected


def test_the_stand_in_provider_answers_at_the_third_attempt(
    convex: ConvexTest, capsys: pytest.CaptureFixture[str]
) -> None:
    payment_id = convex.run(pay, account_id="ada", cents=420)
    convex.finish_all_scheduled()
    assert view(convex, payment_id) == PaymentView(status="charged", failures=2, error=None)
    assert capsys.readouterr().out.strip() == "[provider] 4.20 € taken, at attempt 3"


def test_the_stand_in_provider_declines_unlucky_payments(convex: ConvexTest) -> None:
    payment_id = convex.run(pay, account_id="ada", cents=provider.DECLINED_CENTS)
    convex.finish_all_scheduled()
    assert view(convex, payment_id).error == "PAYMENT_REQUIRED: The card was declined"

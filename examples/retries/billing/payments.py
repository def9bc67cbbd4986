"""A payment that must succeed: an action that is tried again, with exponential backoff and jitter, also after a crash.

An action runs at most once, so somebody has to see that it failed and start it again: the mutation ``attempt``. In one
transaction it schedules the action and its own next look. The action could not do that for itself: two schedules made
by an action are two commits, and a process that dies between them, or before them, loses the rest and with it the
payment. Here there are always both jobs or neither, and a scheduled mutation runs exactly once, whatever dies.

What an attempt did before its process died, nobody knows: perhaps the money was taken. So every attempt sends the same
idempotency key, the id of the payment's row, and the provider takes the money once. For the same reason ``failed`` and
``canceled`` mean that we stopped trying: ``on_complete`` is the place to make the provider void the key.
"""

import asyncio
import random
from datetime import timedelta

from convexpy import (
    ActionCtx,
    ConvexError,
    MutationCtx,
    QueryCtx,
    internal_action,
    internal_mutation,
    internal_query,
    mutation,
    query,
)
from pydantic import BaseModel, PositiveInt

from . import provider
from .models import Account, Payment, Status

FIRST_DELAY = timedelta(seconds=1)
MAX_DELAY = timedelta(minutes=1)
MAX_FAILURES = 5
TIMEOUT_SECONDS = 20


class PaymentView(BaseModel):
    """A payment as clients see it."""

    status: Status
    failures: int
    error: str | None


@mutation
def pay(ctx: MutationCtx, account_id: str, cents: PositiveInt) -> str:
    """Begin a payment, and make its first attempt as soon as this has committed."""
    payment = Payment(account_id=account_id, cents=cents)
    ctx.db.add(payment)
    ctx.db.flush()  # gives the payment its id
    attempt(ctx, payment_id=payment.id)
    return payment.id


@internal_mutation
def attempt(ctx: MutationCtx, payment_id: str) -> None:
    """See how the last attempt went, start the next one if it failed, and look again: all with one commit."""
    payment = ctx.db.get_one(Payment, payment_id)
    if payment.status != "charging":
        return
    last = ctx.system.get(payment.charge_job) if payment.charge_job else None
    if last is not None and last.completed_time is not None:  # without a result: it raised, or its process died
        payment.failures += 1
        payment.error = last.state.error or last.state.kind
        last = None
    if payment.failures >= MAX_FAILURES:
        finish(ctx, payment, "failed")
        return
    if last is None:  # otherwise it is only slow
        payment.charge_job = ctx.schedule.now(charge, payment_id=payment.id)
    payment.look_job = ctx.schedule.after(delay_after(payment.failures + 1), attempt, payment_id=payment.id)


def delay_after(number: int) -> timedelta:
    """The wait after an attempt, counted from 1: it doubles up to a limit. Jitter scatters those that fail together."""
    return min(MAX_DELAY, FIRST_DELAY * 2.0 ** min(number - 1, 20)) * random.uniform(0.5, 1.5)


@internal_action
async def charge(ctx: ActionCtx, payment_id: str) -> None:
    """One attempt. What it raises ends in its job, where ``attempt`` finds it."""
    cents = await ctx.run_query(amount_due, payment_id=payment_id)
    if cents is None:
        return
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            receipt = await provider.charge(cents, idempotency_key=payment_id)
    except ConvexError as error:
        if is_permanent(error):
            await ctx.run_mutation(settle, payment_id=payment_id, status="failed", error=str(error))
        raise
    await ctx.run_mutation(settle, payment_id=payment_id, status="charged", receipt=receipt)


def is_permanent(error: ConvexError) -> bool:
    """Whether asking again is useless: we asked for something wrong (4xx), not only too early, too often, too late."""
    return error.status < 500 and error.code not in ("TIMEOUT", "CONFLICT", "TOO_MANY_REQUESTS")


@internal_query
def amount_due(ctx: QueryCtx, payment_id: str) -> int | None:
    payment = ctx.db.get_one(Payment, payment_id)
    return payment.cents if payment.status == "charging" else None


@internal_mutation
def settle(ctx: MutationCtx, payment_id: str, status: Status, receipt: str = "", error: str = "") -> None:
    """Record how an attempt ended for good, unless the payment is over already."""
    payment = ctx.db.get_one(Payment, payment_id)
    payment.receipt = receipt or payment.receipt  # also from an attempt that was believed dead
    if payment.status == "charging":
        payment.error = error or None
        finish(ctx, payment, status)


def finish(ctx: MutationCtx, payment: Payment, status: Status) -> None:
    payment.status = status
    ctx.schedule.now(on_complete, payment_id=payment.id)


@internal_mutation
def on_complete(ctx: MutationCtx, payment_id: str) -> None:
    """What follows from the end of a payment. Runs exactly once."""
    payment = ctx.db.get_one(Payment, payment_id)
    if payment.status == "charged":
        account = ctx.db.get(Account, payment.account_id) or Account(id=payment.account_id, cents=0)
        account.cents += payment.cents
        ctx.db.add(account)


@mutation
def cancel(ctx: MutationCtx, payment_id: str) -> None:
    """Stop trying. While an attempt runs, its outcome is not known, and this is refused."""
    payment = ctx.db.get(Payment, payment_id)
    if payment is None:
        raise ConvexError("NOT_FOUND", "Payment not found")
    last = ctx.system.get(payment.charge_job) if payment.charge_job else None
    if payment.status != "charging" or (last is not None and last.state.kind == "inProgress"):
        raise ConvexError("CONFLICT", f"The payment is {payment.status}")
    for job_id in filter(None, (payment.charge_job, payment.look_job)):
        ctx.schedule.cancel(job_id)
    finish(ctx, payment, "canceled")


@query
def get_payment(ctx: QueryCtx, payment_id: str) -> PaymentView | None:
    payment = ctx.db.get(Payment, payment_id)
    return PaymentView.model_validate(payment, from_attributes=True) if payment is not None else None

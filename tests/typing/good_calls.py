"""Every form of call that the public interface has, typed. Both checkers must find nothing wrong in this file."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, assert_type

from good_builders import (
    Base,
    ClientCtx,
    Order,
    OrderView,
    PendingJob,
    SyncClientCtx,
    Totals,
    User,
    UserMutationCtx,
    UserQueryCtx,
    auth_mutation,
    auth_query,
    client_action,
    private_mutation,
    sync_client_action,
    token_action,
)
from pydantic import AwareDatetime, Field
from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from convexpy import (
    ActionCtx,
    Convex,
    ConvexError,
    Crons,
    Function,
    Identity,
    Int64,
    JobId,
    JobState,
    MutationCtx,
    Page,
    PaginationOpts,
    QueryCtx,
    ScheduledFunction,
    Settings,
    SyncActionCtx,
    Updates,
    action,
    api,
    internal,
    internal_action,
    internal_mutation,
    internal_query,
    paginate,
    query,
)
from convexpy.client import Remote
from convexpy.testing import ConvexTest

StateKind = Literal["pending", "inProgress", "success", "failed", "canceled"]


# Queries.


@query
def get_order(ctx: QueryCtx, order_id: str) -> OrderView:
    return OrderView.model_validate(ctx.db.get_one(Order, order_id))


@auth_query(aliases=["orders:old_totals"])
def totals(ctx: UserQueryCtx, *, limit: Annotated[int, Field(gt=0)] = 10) -> Totals:
    assert_type(ctx.run_query(get_order, order_id=ctx.user.id), OrderView)
    return {"count": limit}


@internal_query
def list_pending_jobs(ctx: QueryCtx) -> list[PendingJob]:
    jobs = ctx.system.scheduled_functions(state="pending", name="orders:charge", cron=None, limit=100)
    assert_type(jobs, list[ScheduledFunction])
    return [PendingJob(id=j.id, name=j.name, scheduled_time=j.scheduled_time) for j in jobs]


@query
def get_job_status(ctx: QueryCtx, job_id: JobId) -> ScheduledFunction | None:
    return ctx.system.get(job_id)


@query
def stuck_orders(ctx: QueryCtx, before: datetime) -> list[str]:
    assert_type(ctx.db, Session)
    rows = ctx.db.execute(
        select(Order, ScheduledFunction)
        .join(ScheduledFunction, Order.expiry == ScheduledFunction.id)
        .where(ScheduledFunction.state.kind == "failed", ScheduledFunction.scheduled_time < before)
        .order_by(ScheduledFunction.completed_time.desc())
    ).tuples()
    return [f"{order.status}: {job.state.error}" for order, job in rows]


@query
def job_fields(ctx: QueryCtx) -> None:
    for job in ctx.db.scalars(select(ScheduledFunction).where(ScheduledFunction.state.kind.in_(["pending", "failed"]))):
        assert_type(job.id, JobId)
        assert_type(job.name, str)
        assert_type(job.args, dict[str, Any])
        assert_type(job.scheduled_time, datetime)
        assert_type(job.completed_time, datetime | None)
        assert_type(job.state, JobState)
        assert_type(job.state.kind, StateKind)
        assert_type(job.state.error, str | None)
        assert_type(job.cron, str | None)


@query
def order_page(ctx: QueryCtx, options: PaginationOpts) -> Page[OrderView]:
    columns = select(Order.id, Order.status, Order.expiry)
    assert_type(paginate(ctx, columns, options, lambda row: row[0]), Page[str])
    assert_type(paginate(ctx, columns, options).page, list[Row[str, str, JobId]])
    assert_type(paginate(ctx, select(Order).order_by(Order.status), options), Page[Order])
    found = paginate(ctx, select(Order).order_by(Order.status), options, OrderView.model_validate)
    assert_type(found.page, list[OrderView])
    assert_type(found.split_cursor, str | None)
    ctx.run_query(order_page, options=PaginationOpts(num_items=5, cursor=found.continue_cursor, end_cursor=None))
    return found


@query
def large(ctx: QueryCtx, number: Int64) -> Int64:
    return number + 1


# Mutations.


@internal_mutation
def mark_paid(ctx: MutationCtx, order_id: str, receipt: str | None = None) -> int:
    ctx.db.get_one(Order, order_id).status = receipt or "paid"
    return 1


@private_mutation(aliases=["orders:expire_old"])
def expire(ctx: MutationCtx, order_id: str) -> None:
    mark_paid(ctx, order_id, "expired")


@auth_mutation
def process_order(ctx: UserMutationCtx, order_id: str, when: AwareDatetime | None = None) -> str:
    order = ctx.db.get_one(Order, order_id)
    assert_type(ctx.user, User)
    assert_type(ctx.identity, Identity | None)
    assert_type(ctx.now, datetime)
    assert_type(ctx.schedule.now(mark_paid, order_id, receipt="r"), JobId)
    assert_type(ctx.schedule.after(timedelta(seconds=5), charge, order_id=order_id), JobId)
    order.expiry = ctx.schedule.after(5_000, expire, order_id=order_id)
    order.reminder = ctx.schedule.after(0.5, charge_in_thread, order_id)
    ctx.schedule.at(when or ctx.now, charge, order_id)
    ctx.schedule.at(1_700_000_000_000, internal.payments.charge, order_id=order_id)
    ctx.schedule.cancel(order.expiry)
    assert_type(ctx.system.get(order.expiry), ScheduledFunction | None)
    # A plain call shares this transaction as it is; run_mutation checks arguments and has a savepoint of its own.
    assert_type(mark_paid(ctx, order_id=order_id), int)
    assert_type(get_order(ctx, order_id), OrderView)
    assert_type(ctx.run_query(get_order, order_id), OrderView)
    assert_type(ctx.run_mutation(mark_paid, order_id, receipt="r"), int)
    assert_type(ctx.run_query(api.orders.get_order, order_id=order_id), Any)
    return order.id


@auth_mutation
def cancel_reminder(ctx: UserMutationCtx, order_id: str) -> None:
    order = ctx.db.get(Order, order_id)
    if order is None:
        raise ConvexError("NOT_FOUND", "There is no such order")
    if order.reminder:
        ctx.schedule.cancel(order.reminder)
    order.reminder = None


# Actions of both colours.


@action
async def charge(ctx: ActionCtx, order_id: str) -> str:
    assert_type(await ctx.run_query(get_order, order_id), OrderView)
    assert_type(await ctx.run_mutation(mark_paid, order_id=order_id), int)
    assert_type(await ctx.run_action(charge_in_thread, order_id=order_id), float)
    assert_type(await ctx.run_action(client, order_id), bool)
    assert_type(await ctx.schedule.now(expire, order_id), JobId)
    job_id = await ctx.schedule.after(timedelta(minutes=1), charge, order_id=order_id)
    assert_type(await ctx.schedule.at(ctx.now, expire, order_id=order_id), JobId)
    await ctx.schedule.cancel(job_id)
    job = await ctx.system.get(job_id)
    assert_type(job, ScheduledFunction | None)
    assert_type(await ctx.system.scheduled_functions(state="failed", limit=1), list[ScheduledFunction])
    return f"{ctx.job.id}/{ctx.job.attempt}" if ctx.job else ""


@internal_action
def charge_in_thread(ctx: SyncActionCtx, order_id: str) -> float:
    assert_type(ctx.run_query(get_order, order_id), OrderView)
    assert_type(ctx.run_mutation(mark_paid, order_id=order_id), int)
    assert_type(ctx.run_action(charge, order_id=order_id), str)
    job_id = ctx.schedule.after(60_000, expire, order_id)
    assert_type(ctx.schedule.now(charge, order_id), JobId)
    assert_type(ctx.schedule.at(ctx.now, charge, order_id), JobId)
    ctx.schedule.cancel(job_id)
    assert_type(ctx.system.get(job_id), ScheduledFunction | None)
    return 1.0


@client_action
async def client(ctx: ClientCtx, order_id: str) -> bool:
    assert_type(ctx.token, str)
    assert_type(await charge(ctx, order_id), str)
    return bool(await charge(ctx, order_id=order_id))


@token_action
async def with_token_fetched(ctx: ClientCtx) -> None:
    await ctx.run_action(client, order_id=ctx.token)


@sync_client_action(aliases=["orders:client"])
def client_in_thread(ctx: SyncClientCtx, order_id: str) -> float:
    return charge_in_thread(ctx, order_id)


# Crons. A function by name is not known to a type checker: it is checked when the app loads.

crons = Crons()
crons.interval("expire", timedelta(hours=2), expire, order_id="o1")
crons.interval("expire hourly", hours=1, minutes=30.5, function=expire, order_id="o1")
crons.interval("totals", expire, days=1, seconds=5, order_id="o1")
crons.interval("by name", timedelta(hours=2), internal.good_calls.expire, order_id="o1")
crons.cron("daily report", "0 9 * * *", internal.good_calls.charge_in_thread, order_id="o1")
crons.cron("charge", "*/5 * * * *", charge, "o1")
crons.hourly("sync", minute=30, function=with_token_fetched)
crons.daily("digest", hour=7, minute=15, function=charge, order_id="o1")
crons.weekly("invoice", weekday="monday", hour=8, minute=0, function=charge_in_thread, order_id="o1")
crons.monthly("close books", day=1, hour=0, minute=5, function=mark_paid, order_id="o1", receipt="r")


# The app, and the app under test.


def describe(function: Function[Any, ..., Any, Any]) -> str:
    return f"{function.name} {function.kind} {function.visibility} {function.arguments_schema} {function.result_schema}"


@query(reads=[Order, Order.id], refresh=timedelta(minutes=1), aliases=["orders:old"])
def by_text(ctx: QueryCtx) -> int:
    return 0


async def server() -> None:
    settings = Settings(retention=timedelta(days=1), mutation_retries=3)
    convex = Convex("sqlite:///shop.db", functions="shop", metadata=Base.metadata, settings=settings)
    convex.migrate()
    with convex.running():
        assert_type(convex.run(get_order, order_id="o1"), OrderView)
        assert_type(convex.run(charge, "o1"), str)
        assert_type(convex.run(charge_in_thread, order_id="o1"), float)
        assert_type(await convex.run_async(charge, order_id="o1"), str)
        someone = convex.with_identity(Identity(subject="u1", issuer="us", claims={"admin": True}))
        assert_type(someone.run(process_order, order_id="o1"), str)
        assert_type(await someone.run_async(totals, limit=3), Totals)
        with convex.subscribe(get_order, order_id="o1") as orders:
            assert_type(orders, Updates[OrderView])
            assert_type(orders.get(timeout=1), OrderView)
            for order in orders:
                assert_type(order, OrderView)
        async with someone.subscribe(totals, limit=3) as found:
            async for each in found:
                assert_type(each, Totals)
        both = convex.subscribe_all({"order": (get_order, {"order_id": "o1"}), "totals": (totals, {})})
        assert_type(both, Updates[dict[str, Any]])
        assert_type(someone.subscribe_all({"totals": (totals, {})}).get(), dict[str, Any])
        print(convex.call("orders:process_order", {"order_id": "o1"}), describe(charge), convex.run(internal.orders.x))


async def over_the_network() -> None:
    async with Remote("https://shop.example", token=lambda: "a token") as shop:
        assert_type(shop.run(process_order, order_id="o1"), str)
        assert_type(await shop.run_async(totals, limit=3), Totals)
        assert_type(await shop.run_async(charge, "o1"), str)
        with shop.subscribe(get_order, order_id="o1") as orders:
            assert_type(orders, Updates[OrderView])
        print(shop.run("orders:process_order", order_id="o1"), shop.run(internal.orders.x), shop.call("orders:totals"))
        print(shop.subscribe("orders:totals", limit=3).get(timeout=1))


def test_order(convex: ConvexTest) -> None:
    assert_type(convex.as_user("u1").run(process_order, order_id="o1"), str)
    assert_type(convex.with_identity(Identity("u1")).run(totals), Totals)
    convex.advance(seconds=5, minutes=1, hours=1, days=1)
    convex.advance(timedelta(seconds=5))
    convex.run_due()
    convex.finish_all_scheduled(max_rounds=10)
    assert_type(convex.run(get_order, order_id="o1"), OrderView)
    assert_type(convex.jobs(state="pending", name="orders:charge"), list[ScheduledFunction])
    job = convex.job(JobId("0" * 32))
    assert_type(job, ScheduledFunction | None)
    assert_type(convex.now, datetime)
    watch = convex.watch(get_order, order_id="o1")
    assert_type(watch.value, OrderView)
    assert_type(watch.values, list[OrderView])
    assert_type(convex.as_user("u1").watch(totals).value, Totals)
    assert_type(convex.subscribe(totals, limit=1).get(), Totals)
    with convex.db() as db, ConvexTest("shop", metadata=Base.metadata, database_url=None) as other:
        db.add(User(id="u1"))
        print(other.call("orders:get_order", {"order_id": "o1"}))

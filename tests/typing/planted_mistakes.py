"""Mistakes that a type checker must see. Every line that ends with the mark has one; no other line has any.

What the types cannot say, so that neither mypy nor pyright sees it, and what catches it instead:

    mistake                                               caught
    ----------------------------------------------------  ---------------------------------------------------
    an `async def` query or mutation                      when the app loads, with file and line
    an `async def` action that takes a SyncActionCtx      when the app loads, with file and line
    a parameter with no schema: *args, _x, a bare module  when decorating, or when the app loads
    a wrong name or argument behind `api.` `internal.`    when the app loads (crons), or at the call
    a cron expression that is none, too short a period    when the app loads, with file and line
    a naive datetime, a negative delay, a bool as number  at the call of `ctx.schedule`; nothing is scheduled
    a missing or misspelt extra of `ctx.extend`           at the call
    a code of ConvexError that is none of the 21          at the call
    a write through the `ctx.db` of a query               at the call
    a missing `await` before `ctx.schedule` in an action  nothing: it is scheduled all the same
    a misspelt `ScheduledFunction.state.kind == "…"`      nothing: it finds no row
"""

from datetime import timedelta

from good_builders import (
    ClientCtx,
    Order,
    SyncClientCtx,
    User,
    UserMutationCtx,
    UserQueryCtx,
    auth_query,
    client_action,
    require_user,
    sync_client_action,
    sync_counted,
    token_action,
)
from good_calls import charge, charge_in_thread, expire, get_order, mark_paid, process_order, totals
from good_routes import show, webhook
from sqlalchemy import select

from convexpy import (
    ActionCtx,
    Convex,
    Crons,
    Identity,
    JobId,
    MutationCtx,
    Page,
    PaginationOpts,
    QueryCtx,
    ScheduledFunction,
    Settings,
    SyncActionCtx,
    action,
    mutation,
    paginate,
    query,
)
from convexpy.client import Remote
from convexpy.testing import ConvexTest
from convexpy.web import Request, Response, http_route

# A handler takes the context that its builder gives.


@query  # error
def query_that_writes(ctx: MutationCtx) -> None: ...


@action  # error
def action_of_the_wrong_colour(ctx: ActionCtx) -> None: ...


def of_nothing() -> None: ...
def of_a_user(ctx: UserMutationCtx) -> None: ...
def of_a_query(ctx: QueryCtx) -> None: ...
def of_an_action(ctx: SyncActionCtx) -> None: ...
async def of_a_client(ctx: ClientCtx) -> None: ...
def of_a_sync_client(ctx: SyncClientCtx) -> None: ...


query(of_nothing)  # error
query(of_an_action)  # error
mutation(of_a_user)  # error
mutation(of_an_action)  # error
auth_query(of_a_user)  # error
action(of_a_query)  # error
action(of_a_client)  # error
client_action(of_a_sync_client)  # error
sync_client_action(of_a_client)  # error


# A middleware takes the context before it and gives the next one.


def forgets_to_return(ctx: MutationCtx) -> None: ...


def gives_a_row(ctx: MutationCtx) -> User:
    return User(id="u1")


async def waits(ctx: MutationCtx) -> MutationCtx:
    return ctx


mutation.use(forgets_to_return)  # error
mutation.use(gives_a_row)  # error
mutation.use(waits)  # error
query.use(require_user)  # error
token_action.use(sync_counted)  # error
mutation.extra(auth=1)  # error
mutation(alias=["orders:old"])  # error


# Pages.


def pages(ctx: UserQueryCtx, action_ctx: ActionCtx, options: PaginationOpts) -> Page[User]:
    paginate(action_ctx, select(User), options)  # error
    paginate(ctx, select(User), 20)  # error
    paginate(ctx, User, options)  # error
    paginate(ctx, select(User), options, lambda user: user.email)  # error
    paginate(ctx, select(User.id, Order.id), options, of_nothing)  # error
    PaginationOpts(num_items="many")  # error
    orders = select(Order)  # written in place, SQLAlchemy's types let it be a select of anything
    texts: Page[str] = paginate(ctx, orders, options)  # error
    print(texts.is_doen)  # error
    return paginate(ctx, orders, options)  # error


# What a transaction may do, and with which arguments.


def in_a_mutation(ctx: UserMutationCtx, order: Order) -> None:
    ctx.schedule.now(charge)  # error
    ctx.schedule.now(charge, oder_id="o1")  # error
    ctx.schedule.now(charge, order_id=1)  # error
    ctx.schedule.now(charge, "o1", "o2")  # error
    ctx.schedule.now(get_order, order_id="o1")  # error
    ctx.schedule.now(of_a_user)  # error
    ctx.schedule.now("orders:charge", order_id="o1")  # error
    ctx.schedule.after("5s", charge, order_id="o1")  # error
    ctx.schedule.after(charge, order_id="o1")  # error
    ctx.schedule.after(timedelta(seconds=5), charge, order_id=None)  # error
    ctx.schedule.after(5_000, mark_paid, order_id="o1", reciept="r")  # error
    ctx.schedule.after(5_000, totals)  # error
    ctx.schedule.at(timedelta(days=1), charge, order_id="o1")  # error
    ctx.schedule.at(ctx.now, charge, order="o1")  # error
    ctx.schedule.at(ctx.now, charge_in_thread, order_id=b"o1")  # error
    ctx.schedule.cancel("0" * 32)  # error
    ctx.schedule.cancel(order.id)  # error
    ctx.schedule.cancel(order.reminder)  # error
    order.expiry = "soon"  # error
    ctx.run_query(get_order)  # error
    ctx.run_query(get_order, id="o1")  # error
    ctx.run_query(get_order, order_id=1)  # error
    ctx.run_query(mark_paid, order_id="o1")  # error
    ctx.run_mutation(get_order, order_id="o1")  # error
    ctx.run_mutation(charge, order_id="o1")  # error
    ctx.run_mutation(mark_paid, order_id="o1", receipt=1)  # error
    ctx.run_action(charge, order_id="o1")  # error
    number: str = ctx.run_mutation(mark_paid, order_id="o1")  # error
    mark_paid(ctx, orderid="o1")  # error
    charge(ctx, order_id="o1")  # error
    ctx.system.scheduled_functions(state="running")  # error
    ctx.extend(User, user=ctx.user)  # error
    print(ctx.usr, number)  # error


def in_a_query(ctx: UserQueryCtx) -> None:
    ctx.schedule.now(charge, order_id="o1")  # error
    ctx.run_mutation(mark_paid, order_id="o1")  # error
    mark_paid(ctx, order_id="o1")  # error
    process_order(ctx, order_id="o1")  # error
    print(ctx.identity.subject)  # error


# What an action may do.


async def in_an_action(ctx: ActionCtx, job_id: JobId) -> None:
    ctx.db.get(Order, "o1")  # error
    await ctx.run_query(mark_paid, order_id="o1")  # error
    await ctx.run_mutation(charge, order_id="o1")  # error
    await ctx.run_mutation(mark_paid)  # error
    await ctx.run_action(mark_paid, order_id="o1")  # error
    await ctx.run_action(charge, order_id=1)  # error
    await ctx.schedule.now(get_order, order_id="o1")  # error
    await ctx.schedule.after(timedelta(1), charge, orderid="o1")  # error
    await ctx.schedule.at("tomorrow", charge, order_id="o1")  # error
    await ctx.schedule.cancel("0" * 32)  # error
    number: int = ctx.run_mutation(mark_paid, order_id="o1")  # error
    stored: JobId = ctx.schedule.now(charge, order_id="o1")  # error
    job: ScheduledFunction | None = ctx.system.get(job_id)  # error
    print(ctx.run_query(get_order, order_id="o1").status)  # error
    ctx.run_mutation(mark_paid, order_id="o1")  # error
    receipt: str = await mark_paid(ctx, order_id="o1")  # error
    print(number, stored, job, receipt)


def in_a_thread(ctx: SyncActionCtx) -> None:
    ctx.db.get(Order, "o1")  # error
    ctx.run_query(charge, order_id="o1")  # error
    ctx.run_action(get_order, order_id="o1")  # error
    ctx.run_mutation(mark_paid, order_id=1)  # error
    ctx.schedule.now(charge)  # error
    charge(ctx, order_id="o1")  # error
    receipt: int = ctx.run_action(charge, order_id="o1")  # error
    print(receipt)


# Crons.

crons = Crons()
crons.interval("missing", timedelta(hours=2), expire)  # error
crons.interval("misspelt", timedelta(hours=2), expire, oder_id="o1")  # error
crons.interval("mistyped", timedelta(hours=2), expire, order_id=1)  # error
crons.interval("a query", timedelta(hours=2), get_order, order_id="o1")  # error
crons.interval("a number", 7200, expire, order_id="o1")  # error
crons.interval("hours as text", hours="2", function=expire, order_id="o1")  # error
crons.interval("a unit that is none", hour=2, function=expire, order_id="o1")  # error
crons.cron("missing", "0 9 * * *", charge)  # error
crons.cron("mistyped", "0 9 * * *", charge, order_id=1)  # error
crons.cron("not text", 9, charge, order_id="o1")  # error
crons.cron("by text", "0 9 * * *", "orders:charge", order_id="o1")  # error
crons.hourly("minute as text", minute="30", function=expire, order_id="o1")  # error
crons.daily("missing", hour=7, minute=15, function=expire)  # error
crons.daily("no hour", minute=15, function=expire, order_id="o1")  # error
crons.daily("hour as text", hour="7", function=expire, order_id="o1")  # error
crons.weekly("short", weekday="mon", hour=8, function=expire, order_id="o1")  # error
crons.weekly("as number", weekday=1, hour=8, function=expire, order_id="o1")  # error
crons.monthly("day as text", day="1", hour=0, function=expire, order_id="o1")  # error
crons.monthly("a query", day=1, hour=0, function=totals)  # error


# The app, and the app under test.


def in_the_app(convex: Convex) -> None:
    convex.run(process_order)  # error
    convex.run(process_order, oder_id="o1")  # error
    convex.run(process_order, order_id=1)  # error
    convex.run("orders:process_order", order_id="o1")  # error
    convex.run(of_a_user)  # error
    convex.with_identity("u1").run(process_order, order_id="o1")  # error
    convex.with_identity(Identity("u1")).run(process_order, order=1)  # error
    text: str = convex.run(mark_paid, order_id="o1")  # error
    convex.subscribe(get_order)  # error
    convex.subscribe(get_order, oder_id="o1")  # error
    convex.subscribe(get_order, order_id=1)  # error
    convex.subscribe(mark_paid, order_id="o1")  # error
    convex.subscribe_all({"a": (mark_paid, {"order_id": "o1"})})  # error
    number: int = convex.subscribe(get_order, order_id="o1").get()  # error
    Convex("sqlite:///shop.db")  # error
    Settings(retention="7 days")  # error
    Settings(retentoin=timedelta(days=1))  # error
    print(text, number)


async def in_async_code(convex: Convex) -> None:
    await convex.run_async(process_order)  # error
    convex.run_async(process_order, order_id="o1")  # error
    text: str = convex.run_async(process_order, order_id="o1")  # error
    await convex.run(charge, order_id="o1")  # error
    print(text)


async def over_the_network(shop: Remote) -> None:
    shop.run(process_order)  # error
    shop.run(process_order, oder_id="o1")  # error
    shop.run(process_order, order_id=1)  # error
    shop.run(of_a_user)  # error
    _text: str = shop.run(get_order, order_id="o1")  # error
    await shop.run_async(process_order)  # error
    _text = shop.run_async(process_order, order_id="o1")  # error
    shop.subscribe(get_order)  # error
    shop.subscribe(get_order, order_id=1)  # error
    shop.subscribe(mark_paid, order_id="o1")  # error
    _number: int = shop.subscribe(get_order, order_id="o1").get()  # error
    Remote("https://shop.example", token=1)  # error


def test_order(convex: ConvexTest) -> None:
    convex.run(process_order)  # error
    convex.run(get_order, order_id=1)  # error
    convex.as_user(1).run(process_order, order_id="o1")  # error
    convex.as_user("u1").run(process_order, orderid="o1")  # error
    convex.advance(second=5)  # error
    convex.advance(5)  # error
    convex.jobs(state="done")  # error
    convex.job("0" * 32)  # error
    status: int = convex.run(get_order, order_id="o1").status  # error
    print(status)


# A route is an action with a request, and returns a response.


@http_route("GET", "/a")  # error
async def route_with_a_transaction(ctx: MutationCtx, request: Request) -> Response:
    raise NotImplementedError


@http_route("GET", "/b")  # error
async def route_without_a_request(ctx: ActionCtx) -> Response:
    raise NotImplementedError


@http_route("GET", "/c")  # error
async def route_without_a_response(ctx: ActionCtx, request: Request) -> str:
    raise NotImplementedError


@http_route("GET", "/d")  # error
def route_of_the_wrong_colour(ctx: ActionCtx, request: Request) -> Response:
    raise NotImplementedError


http_route("/e")  # error


async def calls_of_routes(ctx: ActionCtx, sync_ctx: SyncActionCtx, request: Request) -> None:
    await webhook(ctx, request)  # error
    await webhook(ctx, request, account=1)  # error
    show(ctx, request, order_id="o1", rest="")  # error
    await webhook(ctx, account="a1")  # error

"""``_system/functions``: what the app consists of, how its functions do, and calls of them by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextvars import copy_context
from inspect import getdoc
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import Field, PlainSerializer, SerializationInfo

from ..database.errors import is_internal
from ..database.minutes import FunctionSums, RunSums, sums_by_function, sums_by_minute
from ..errors import ConvexError, InvalidArguments
from ..functions.declare import Kind, Visibility
from ..functions.http_routes import AnyRoute
from ..functions.registry import AnyFunction
from ..runtime.call import check_kind
from ..runtime.identity import Identity
from .audit import audit
from .context import (
    LOOKED_EVERY,
    SystemActionCtx,
    SystemMutationCtx,
    SystemQueryCtx,
    calls_of,
    part_of,
    system_action,
    system_mutation,
    system_query,
)
from .document import Document, UnixTime
from .outcomes import DryRunOutcome, Outcome, Stopwatch, job_call

Minutes: TypeAlias = Annotated[int, Field(ge=1, le=24 * 60)]


def schema_to_json(schema: dict[str, Any], info: SerializationInfo) -> dict[str, Any] | str:
    """A schema; for clients as JSON text, because objects in their encoding have no key that begins with ``$``."""
    return json.dumps(schema) if "camel" in (info.context or {}) else schema


JsonSchema: TypeAlias = Annotated[dict[str, Any], PlainSerializer(schema_to_json, when_used="json")]


class FunctionInfo(Document):
    """A function of the app; ``arguments`` and ``result`` are JSON schemas, to clients as text."""

    name: str
    module: str
    kind: Kind
    visibility: Visibility
    doc: str | None
    aliases: tuple[str, ...]
    place: str
    arguments: JsonSchema
    result: JsonSchema

    @classmethod
    def of(cls, function: AnyFunction) -> Self:
        return cls(
            name=function.name,
            module=function.name.partition(":")[0],
            kind=function.kind,
            visibility=function.visibility,
            doc=getdoc(function.handler),
            aliases=function.aliases,
            place=function.place,
            arguments=function.arguments_schema,
            result=function.result_schema,
        )


class RouteInfo(Document):
    """A route of the app: which requests it answers."""

    name: str
    kind: Literal["route"] = "route"
    visibility: Visibility
    method: str
    path: str
    place: str
    arguments: JsonSchema
    """The JSON schema of the path's parameters."""

    @classmethod
    def of(cls, route: AnyRoute) -> Self:
        return cls(
            name=route.name,
            visibility=route.visibility,
            method=route.method,
            path=route.path,
            place=route.place,
            arguments=route.arguments.json_schema(),
        )


@system_query
def list(ctx: SystemQueryCtx) -> Sequence[FunctionInfo]:
    """Every function of the app, by name. Those of the framework are not among them."""
    return [FunctionInfo.of(function) for function in ctx.app.registry.functions.values()]


@system_query
def routes(ctx: SystemQueryCtx) -> Sequence[RouteInfo]:
    """Every route of the app."""
    return [RouteInfo.of(route) for route in ctx.app.registry.routes]


class FunctionStats(Document):
    """How one function did in the last minutes. Durations are in milliseconds; None: it was not called."""

    name: str
    calls: int
    errors: int
    retries: int
    """Attempts of jobs that were rolled back and made again."""
    p50: float | None
    p95: float | None
    calls_by_minute: tuple[int, ...]
    """The oldest first, the last one is not over."""
    errors_by_minute: tuple[int, ...]

    @classmethod
    def of(cls, found: FunctionSums) -> Self:
        sums = found.sums
        return cls(
            name=found.function,
            calls=sums.calls,
            errors=sums.failures,
            retries=sums.retries,
            p50=milliseconds(sums.p50),
            p95=milliseconds(sums.p95),
            calls_by_minute=tuple(found.calls),
            errors_by_minute=tuple(found.failures),
        )


class FunctionMinute(Document):
    """How one function did in one minute."""

    minute: UnixTime
    calls: int
    errors: int
    p50: float | None
    p95: float | None


class FunctionHistory(Document):
    """How one function did, in all and minute by minute, the oldest first."""

    name: str
    calls: int
    errors: int
    p50: float | None
    p95: float | None
    minutes: tuple[FunctionMinute, ...]


class Issue(Document):
    """A problem of one argument."""

    path: str
    """``tags[0].name``."""
    message: str


@system_query(refresh=LOOKED_EVERY)
def stats(ctx: SystemQueryCtx, minutes: Minutes = 60) -> Sequence[FunctionStats]:
    """How each function did that was called in the last minutes, by name."""
    return [FunctionStats.of(found) for found in sums_by_function(ctx.connection, ctx.now, minutes)]


@system_query(refresh=LOOKED_EVERY)
def function_stats(ctx: SystemQueryCtx, name: str, minutes: Minutes = 60) -> FunctionHistory:
    """How one function did in each of the last minutes."""
    found, total = sums_by_minute(ctx.connection, ctx.now, minutes, name), RunSums()
    for each in found:
        total.add(each.sums)
    return FunctionHistory(
        name=name,
        calls=total.calls,
        errors=total.failures,
        p50=milliseconds(total.p50),
        p95=milliseconds(total.p95),
        minutes=tuple(
            FunctionMinute(
                minute=each.minute,
                calls=each.sums.calls,
                errors=each.sums.failures,
                p50=milliseconds(each.sums.p50),
                p95=milliseconds(each.sums.p95),
            )
            for each in found
        ),
    )


@system_query
def check(ctx: SystemQueryCtx, name: str, args: dict[str, Any]) -> Sequence[Issue]:
    """The problems of arguments. None: the function can be called with them."""
    function = ctx.app.registry.find(name)
    try:
        function.arguments.check_json(function.name, args)
    except InvalidArguments as error:
        data: Any = error.data
        return [Issue(path=issue["path"], message=issue["message"]) for issue in data["issues"]]
    return []


@system_query
def watch(
    ctx: SystemQueryCtx, name: str, args: dict[str, Any], subject: str | None = None, issuer: str | None = None
) -> Outcome:
    """What a query of the app returns to a user. A subscription to it is one to that query.

    Raises:
        ConvexError: There is no such query, or the arguments do not fit.
    """
    calls, part = calls_of(ctx), part_of(ctx)
    call = calls.bind_json(name, args, identity_of(subject, issuer))
    check_kind(Kind.QUERY, call.function)
    stopwatch = Stopwatch()
    try:
        with part.reading():
            return stopwatch.value(copy_context().run(calls.invoke, call, part))
    except Exception as error:
        if is_internal(error) or part.transaction.internal_error is not None:
            raise
        return stopwatch.error(error)


@system_action
def run(
    ctx: SystemActionCtx, name: str, args: dict[str, Any], subject: str | None = None, issuer: str | None = None
) -> Outcome:
    """Call any function as a user, or as nobody. It is a call like any other; the audit log has its name.

    Raises:
        ConvexError: There is no such function, or the arguments do not fit.
    """
    call = ctx.calls.bind_json(name, args, identity_of(subject, issuer))
    if call.function.kind is not Kind.QUERY:
        ctx.run_mutation(note_run, name=call.function.name, subject=subject)
    stopwatch = Stopwatch()
    try:
        return stopwatch.value(ctx.calls.run(call))
    except Exception as error:
        return stopwatch.error(error)


@system_mutation
def note_run(ctx: SystemMutationCtx, name: str, subject: str | None = None) -> None:
    """Write into the audit log that a function is called by hand. Its arguments are not written."""
    audit(ctx, "call", name, {"subject": subject} if subject is not None else None)


@system_action
def dry_run(
    ctx: SystemActionCtx,
    name: str | None = None,
    args: dict[str, Any] | None = None,
    subject: str | None = None,
    issuer: str | None = None,
    job_id: str | None = None,
) -> DryRunOutcome:
    """What a mutation would do: it runs, and its transaction is rolled back.

    On SQLite other transactions that write wait meanwhile. On PostgreSQL, numbers that it takes from sequences are
    gone.

    Args:
        ctx: The context.
        name: The mutation.
        args: Its arguments.
        subject: As whom it runs. None: as nobody.
        issuer: Of the subject.
        job_id: In place of name and arguments: those of this job.

    Raises:
        ConvexError: There is no such mutation or job, or the arguments do not fit.
        CallNotAllowed: It is an action, whose effects outside could not be rolled back, or a query.
    """
    if job_id is not None:
        call = job_call(ctx, job_id, args)
    elif name is not None:
        call = ctx.calls.bind_json(name, args or {}, identity_of(subject, issuer))
    else:
        raise ConvexError("BAD_REQUEST", "name a mutation, or a job that ran one")
    return DryRunOutcome.of(ctx.calls.run_dry(call))


def identity_of(subject: str | None, issuer: str | None) -> Identity | None:
    return Identity(subject, issuer) if subject else None


def milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1000

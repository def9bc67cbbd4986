"""convexpy: queries, mutations, actions and scheduling that commits with your data."""

from typing import TYPE_CHECKING, Any

from .database.scheduled_function import JobState, ScheduledFunction
from .database.types import JobId, JobIdType, Timestamp
from .errors import (
    CallNotAllowed,
    ConvexError,
    DatabaseError,
    FunctionNotFound,
    FunctionTimeout,
    InternalError,
    InvalidArguments,
    InvalidResult,
    InvalidSchedule,
    LoadError,
    ReadOnlyError,
    ScheduleLimitExceeded,
    SettingsError,
    TransactionEnded,
    WriteConflict,
)
from .functions.declare import Function
from .functions.references import api, internal
from .runtime.builders import action, internal_action, internal_mutation, internal_query, mutation, query
from .runtime.context import ActionCtx, MutationCtx, QueryCtx, SyncActionCtx
from .runtime.identity import Identity
from .settings import Settings

if TYPE_CHECKING:
    from .app import Convex
    from .functions.crons import Crons

__all__ = [
    "ActionCtx",
    "CallNotAllowed",
    "Convex",
    "ConvexError",
    "Crons",
    "DatabaseError",
    "Function",
    "FunctionNotFound",
    "FunctionTimeout",
    "Identity",
    "InternalError",
    "InvalidArguments",
    "InvalidResult",
    "InvalidSchedule",
    "JobId",
    "JobIdType",
    "JobState",
    "LoadError",
    "MutationCtx",
    "QueryCtx",
    "ReadOnlyError",
    "ScheduleLimitExceeded",
    "ScheduledFunction",
    "Settings",
    "SettingsError",
    "SyncActionCtx",
    "Timestamp",
    "TransactionEnded",
    "WriteConflict",
    "action",
    "api",
    "internal",
    "internal_action",
    "internal_mutation",
    "internal_query",
    "mutation",
    "query",
]


def __getattr__(name: str) -> Any:
    """What a file of functions does not need is imported when it is asked for."""
    if name == "Convex":
        from .app import Convex

        return Convex
    if name == "Crons":
        from .functions.crons import Crons

        return Crons
    if name == "__version__":
        from importlib import metadata

        return metadata.version("convexpy")
    raise AttributeError(f"module 'convexpy' has no attribute {name!r}")

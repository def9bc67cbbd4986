"""convexpy: queries, mutations, actions and scheduling that commits with your data."""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from .app import Convex
    from .database.scheduled_function import JobState, ScheduledFunction
    from .database.types import JobId, JobIdType, Timestamp
    from .errors import (
        CallNotAllowed,
        CommitUnknown,
        ConvexError,
        DatabaseError,
        ErrorCode,
        FunctionNotFound,
        FunctionTimeout,
        InternalError,
        InvalidArguments,
        InvalidResult,
        InvalidSchedule,
        LiveCheckError,
        LoadError,
        Overloaded,
        ReadOnlyError,
        RepeatRefused,
        ScheduleLimitExceeded,
        SettingsError,
        SubscriptionClosed,
        TransactionEnded,
        WriteConflict,
    )
    from .functions.crons import Crons
    from .functions.declare import Function
    from .functions.int64 import Int64
    from .functions.pagination import Page, PaginationOpts
    from .functions.references import api, internal
    from .live.updates import Updates
    from .runtime.call_log import CallFilter
    from .runtime.context import (
        ActionCtx,
        MutationCtx,
        QueryCtx,
        SyncActionCtx,
        action,
        internal_action,
        internal_mutation,
        internal_query,
        mutation,
        query,
    )
    from .runtime.identity import Identity
    from .runtime.pagination import paginate
    from .settings import AuthProvider, Settings

__all__ = [
    "ActionCtx",
    "AuthProvider",
    "CallFilter",
    "CallNotAllowed",
    "CommitUnknown",
    "Convex",
    "ConvexError",
    "Crons",
    "DatabaseError",
    "ErrorCode",
    "Function",
    "FunctionNotFound",
    "FunctionTimeout",
    "Identity",
    "Int64",
    "InternalError",
    "InvalidArguments",
    "InvalidResult",
    "InvalidSchedule",
    "JobId",
    "JobIdType",
    "JobState",
    "LiveCheckError",
    "LoadError",
    "MutationCtx",
    "Overloaded",
    "Page",
    "PaginationOpts",
    "QueryCtx",
    "ReadOnlyError",
    "RepeatRefused",
    "ScheduleLimitExceeded",
    "ScheduledFunction",
    "Settings",
    "SettingsError",
    "SubscriptionClosed",
    "SyncActionCtx",
    "Timestamp",
    "TransactionEnded",
    "Updates",
    "WriteConflict",
    "action",
    "api",
    "internal",
    "internal_action",
    "internal_mutation",
    "internal_query",
    "mutation",
    "paginate",
    "query",
]

# Where the public names are, cheap imports first: `convexpy --help` needs no database, a file of functions no app.
HOMES: Final = (
    "errors",
    "settings",
    "functions.declare",
    "functions.references",
    "functions.int64",
    "functions.pagination",
    "runtime.identity",
    "database.types",
    "database.scheduled_function",
    "runtime.call_log",
    "runtime.context",
    "runtime.pagination",
    "functions.crons",
    "live.updates",
    "app",
)


def __getattr__(name: str) -> Any:
    """Import a public name on first use."""
    if name == "__version__":
        from importlib import metadata

        return metadata.version("convexpy")
    for home in HOMES if name in __all__ else ():
        module = import_module(f".{home}", __name__)
        if name in vars(module):
            return globals().setdefault(name, vars(module)[name])
    raise AttributeError(f"module 'convexpy' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]

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
        LoadError,
        ReadOnlyError,
        ScheduleLimitExceeded,
        SettingsError,
        TransactionEnded,
        WriteConflict,
    )
    from .functions.crons import Crons
    from .functions.declare import Function
    from .functions.references import api, internal
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
    from .settings import Settings

__all__ = [
    "ActionCtx",
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

# The module of each name, imported on first use: `convexpy --help` needs no database.
HOMES: Final = {
    "app": ("Convex",),
    "functions.crons": ("Crons",),
    "database.scheduled_function": ("JobState", "ScheduledFunction"),
    "database.types": ("JobId", "JobIdType", "Timestamp"),
    "errors": (
        "CallNotAllowed",
        "CommitUnknown",
        "ConvexError",
        "DatabaseError",
        "ErrorCode",
        "FunctionNotFound",
        "FunctionTimeout",
        "InternalError",
        "InvalidArguments",
        "InvalidResult",
        "InvalidSchedule",
        "LoadError",
        "ReadOnlyError",
        "ScheduleLimitExceeded",
        "SettingsError",
        "TransactionEnded",
        "WriteConflict",
    ),
    "functions.declare": ("Function",),
    "functions.references": ("api", "internal"),
    "runtime.context": (
        "ActionCtx",
        "MutationCtx",
        "QueryCtx",
        "SyncActionCtx",
        "action",
        "internal_action",
        "internal_mutation",
        "internal_query",
        "mutation",
        "query",
    ),
    "runtime.identity": ("Identity",),
    "settings": ("Settings",),
}
HOME_OF: Final = {name: home for home, names in HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import a public name on first use."""
    if name == "__version__":
        from importlib import metadata

        return metadata.version("convexpy")
    if name not in HOME_OF:
        raise AttributeError(f"module 'convexpy' has no attribute {name!r}")
    value = getattr(import_module(f".{HOME_OF[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]

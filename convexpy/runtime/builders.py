"""The six builders that users import, bound to their contexts."""

from __future__ import annotations

from typing import Final

from ..functions.builders import ActionBuilder, MutationBuilder, QueryBuilder
from .context import ActionCtx, MutationCtx, QueryCtx, SyncActionCtx

query: Final[QueryBuilder[QueryCtx]] = QueryBuilder()
mutation: Final[MutationBuilder[MutationCtx]] = MutationBuilder()
action: Final[ActionBuilder[ActionCtx, SyncActionCtx]] = ActionBuilder()

internal_query: Final[QueryBuilder[QueryCtx]] = query.internal
internal_mutation: Final[MutationBuilder[MutationCtx]] = mutation.internal
internal_action: Final[ActionBuilder[ActionCtx, SyncActionCtx]] = action.internal

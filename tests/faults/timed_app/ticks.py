"""What the crons run."""

from __future__ import annotations

import os

from convexpy import MutationCtx, internal_mutation

from ..app.models import Effect
from ..app.outside import reach


@internal_mutation
def tick(ctx: MutationCtx, label: str) -> None:
    ctx.db.add(Effect(label=label, job=ctx.job and ctx.job.id, pid=os.getpid()))
    reach("tick", label)

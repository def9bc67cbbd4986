"""How Alembic runs the framework's migrations and the user's revisions: as the caller said in ``config.attributes``."""

from contextlib import nullcontext

from alembic import context

attributes = context.config.attributes

context.configure(**attributes["options"])
with context.begin_transaction(), attributes.get("turn", nullcontext)():
    context.run_migrations()

"""Alembic's entry point, for the framework's revisions and the user's: configured by ``config.attributes``."""

from contextlib import nullcontext

from alembic import context

attributes = context.config.attributes

context.configure(**attributes["options"])
with context.begin_transaction(), attributes.get("schema_lock", nullcontext)():
    context.run_migrations()

"""The tables of the other app."""

from ..app.models import Base, Effect

__all__ = ["Base", "Effect"]

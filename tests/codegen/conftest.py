"""Tests of generated types use the npm packages."""

from support.npm import node_modules

__all__ = ["node_modules"]

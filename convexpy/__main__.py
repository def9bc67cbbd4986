"""``python -m convexpy``: the same as the ``convexpy`` command."""

from .cli import main

main()

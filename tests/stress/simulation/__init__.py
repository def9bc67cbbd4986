"""Random schedules of work and of faults, played on the real engine in virtual time and checked against a model.

``python -m tests.stress.simulation --seeds 10000`` plays many and stops at the first violation, with its seed and what
happened; the ``test_*.py`` files play some tens, and show that planted bugs are found.
"""

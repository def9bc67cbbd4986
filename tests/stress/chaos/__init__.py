"""The chaos kit: many processes, many faults, and checkers that trust none of them.

``python -m tests.stress.chaos --minutes 60 --seed 1 --database postgres`` runs workers and clients on a database of its
own and strikes them with faults that are drawn from the seed: processes killed, frozen and given wrong clocks,
connections cut at COMMIT, servers stopped and restarted, locks, full disks, storms. When all has come to rest, the
checkers judge what all of them recorded meanwhile. It fails if a promise was broken, if a kind of fault never struck,
or if something never came to rest.

``python -m tests.stress.chaos.bytes`` breaks the connection after each byte of one transaction, ``python -m
tests.stress.chaos.syscalls`` kills a worker at each message of one job's way. ``test_*.py`` run a little of each.
"""

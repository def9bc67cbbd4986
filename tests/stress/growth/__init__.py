"""Whether a database that is busy for hours stays as quick as it was.

``python -m tests.stress.growth`` keeps a worker at full rate, with jobs that are purged as fast as they come, and
measures once a minute how long it takes to schedule, read and cancel a job, how soon one begins, how late a cron is,
and how large the tables are. In the end it drains jobs in turns from that database and from a new one.
"""

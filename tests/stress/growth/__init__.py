"""What becomes of a database that is busy for long: does everything stay as quick as it was?

``python -m tests.stress.growth`` keeps a worker at full rate, with jobs that are purged as fast as they come, and looks once a
minute at how long it takes to schedule, look at and cancel a job, how soon one begins, how late a cron is, and how
large the tables are. In the end it drains jobs in turns from that database and from a new one.
"""

"""What the user declares: functions, their schemas, their names, and crons. Pure: no database, no globals."""

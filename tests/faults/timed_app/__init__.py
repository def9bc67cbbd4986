"""The same app with crons."""

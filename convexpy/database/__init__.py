"""What is remembered: connections and their isolation, the framework's tables, every move of a job and a cron."""

"""Every commit is found exactly once by each chain of snapshots, under kills, cuts, crashes, freezes and pruning."""

"""Long runs, each with its own command: chaos, faults, races, simulation, failover, growth, planted bugs."""

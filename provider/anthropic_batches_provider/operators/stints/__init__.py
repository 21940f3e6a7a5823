"""Private: how an operator advances a job in stints. A stint is the time between two deferrals, on a worker."""

"""Private: how an operator brings a job forward in stints, each one attempt's time on a worker, deferred in between."""

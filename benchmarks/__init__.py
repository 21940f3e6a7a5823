"""Side by side with the two peers: the same faults, and the same sizes; every figure is measured by the run."""

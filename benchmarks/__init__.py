"""Side by side with the two peers: the same faults and the same sizes; the run measures every figure."""

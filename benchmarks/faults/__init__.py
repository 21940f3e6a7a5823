"""The same faults against all three packages: how each run ends, and what it is billed."""

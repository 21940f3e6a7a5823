"""The same faults against all three: what each run comes to, and what it is billed."""

"""What a test sets and reads: faults, the account of calls, and the control API with its client."""

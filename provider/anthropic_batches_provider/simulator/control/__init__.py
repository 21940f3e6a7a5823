"""The parts that a test sets and reads: faults, the record of calls, and the control API with its client."""

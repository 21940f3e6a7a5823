"""Runs a whole Airflow, and the simulator beside it, for the demonstration, the end-to-end tests and the benchmarks.

Invariants: servers bind to loopback, on free ports; a process is ended by its id, and only if it was started here;
nothing is imported from those who use this package.
"""

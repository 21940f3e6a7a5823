"""Runs a complete Airflow and the simulator, for the demonstration, the end-to-end tests and the benchmarks.

Invariants: servers bind to loopback, on free ports. A process is ended by its id, and only if this package started it.
This package imports nothing from the packages that use it.
"""

"""The imitated service: its state, checks, answers and bills. It never fails, and knows neither faults nor sockets.

Invariant: everything follows from the seed, the clock, the settings, the rules and the calls, so a test can repeat it.
"""

"""The imitated service: what it knows, checks, answers and bills. It never fails, and knows neither faults nor sockets.

Invariant: everything follows from the seed, the clock, the settings, the rules and the calls; a test can repeat it.
"""

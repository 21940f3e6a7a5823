"""The cost of many deferred waits to the one event loop that they share."""

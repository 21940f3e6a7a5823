"""What many deferred waits cost the one event loop that they share."""

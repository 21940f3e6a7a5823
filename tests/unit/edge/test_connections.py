"""Which connection an operator uses; tests/unit/test_hooks.py tests how a connection is read."""

from __future__ import annotations

from anthropic_batches_provider.edge.connections import connection_of


def test_the_operators_own_connection_wins_over_the_jobs() -> None:
    reference = {"job": "file:///x", "conn_id": "theirs"}
    assert connection_of("mine", reference) == "mine"
    assert connection_of(None, reference) == "theirs"
    assert connection_of(None, [reference]) == "theirs"
    assert connection_of(None, None) == "anthropic_default"

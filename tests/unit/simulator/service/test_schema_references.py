from typing import Any

import pytest

from anthropic_batches_provider.simulator.service.schema_references import target_of

ROOT = {"$defs": {"A": {"const": 1}, "A/B C~": {"const": 2}}, "anyOf": [{"const": 3}]}


@pytest.mark.parametrize(
    ("reference", "target"),
    [
        ("#", ROOT),
        ("#/$defs/A", {"const": 1}),
        ("#/$defs/A~1B%20C~0", {"const": 2}),
        ("#/anyOf/0", {"const": 3}),
        ("#/anyOf/1", None),
        ("#/anyOf/x", None),
        ("#/$defs/B", None),
        ("#/$defs/A/const/x", None),
    ],
)
def test_a_reference_is_a_pointer_into_the_schema(reference: str, target: Any) -> None:
    assert target_of(ROOT, reference) == target

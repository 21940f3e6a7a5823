import pytest

from anthropic_batches_provider.batches.plurals import counted


@pytest.mark.parametrize(
    ("number", "noun", "said"),
    [
        (0, "row", "0 rows"),
        (1, "row", "1 row"),
        (2, "row", "2 rows"),
        (12_000, "row", "12,000 rows"),
        (1, "batch", "1 batch"),
        (2, "batch", "2 batches"),
        (3, "failed row", "3 failed rows"),
    ],
)
def test_a_count_agrees_with_its_noun(number: int, noun: str, said: str) -> None:
    assert counted(number, noun) == said

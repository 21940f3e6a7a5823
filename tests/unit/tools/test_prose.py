"""The check of prose finds what it is for, and nothing else."""

from __future__ import annotations

import pytest

from tools.prose import problems_of


@pytest.mark.parametrize(
    "text",
    [
        "The row goes again.",
        "It hangs on the store.",
        "Whoever creates it sends it.",
        "Results are not to be had.",
        "This mends the ledger.",
        "# for want of credit",
    ],
)
def test_a_phrase_that_readers_stumble_over_is_found(text: str) -> None:
    (problem,) = problems_of("a.py", f"\n{text}\n")
    assert problem.startswith("a.py:2: ")


@pytest.mark.parametrize(
    "text", ["Let go of it.", "We recommend it.", "An amendment.", "It was seen to be whole.", "A hanging call."]
)
def test_other_uses_of_the_same_words_pass(text: str) -> None:
    assert list(problems_of("a.py", text)) == []


@pytest.mark.parametrize(
    "line", ["One. Two.", "- One. Two.", "Is it? It is.", "Say `x`. Then go.", "So (it is.) Then."]
)
def test_a_second_sentence_on_a_line_of_markdown_is_found(line: str) -> None:
    assert list(problems_of("a.md", line)) == ["a.md:1: more than one sentence on a line"]
    assert list(problems_of("a.py", line)) == []


@pytest.mark.parametrize(
    "text",
    [
        "| a cell. With two sentences. |",
        "```console\n$ one. Two.\n```",
        "    one. Two.",
        "Airflow 3.3 or later, e.g. Airflow 3.4",
        "See `one. Two`, i.e. This page.",
        "1. First step",
    ],
)
def test_tables_code_numbers_and_abbreviations_pass(text: str) -> None:
    assert list(problems_of("a.md", text)) == []

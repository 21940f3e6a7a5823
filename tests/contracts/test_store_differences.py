"""Each entry of ``store_differences`` belongs to a test that would otherwise run on that storage."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path

import pytest

from tests.contracts.store_differences import DIFFERENCES, storage_fixture
from tests.contracts.store_fixtures import PARAMS

MODULES = [file.stem for file in Path(__file__).parent.glob("test_*.py") if file != Path(__file__)]


@pytest.mark.parametrize("test", DIFFERENCES)
def test_a_difference_is_of_one_test_and_of_storages_that_it_takes(test: str) -> None:
    modules = [importlib.import_module(f"tests.contracts.{name}") for name in MODULES]
    (function,) = [getattr(module, test) for module in modules if hasattr(module, test)]
    fixture = storage_fixture(inspect.signature(function).parameters)
    assert fixture in inspect.signature(function).parameters
    assert DIFFERENCES[test].keys() < set(PARAMS[fixture])

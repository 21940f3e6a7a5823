"""Object stores and DAGs for the tests that need them; if a store's packages are missing, its tests are skipped."""

import pytest

from tests.contracts.store_differences import DIFFERENCES, Kind, storage_fixture
from tests.contracts.store_fixtures import PARAMS, azure, gcs, s3, store
from tests.dags.conftest import dags, dags_folder

__all__ = ["azure", "dags", "dags_folder", "gcs", "s3", "store"]


@pytest.hookimpl(tryfirst=True)  # pytest's own hook reads the mark
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Leave out a storage, or expect it to fail, where ``store_differences`` says so."""
    differences = DIFFERENCES.get(metafunc.function.__name__, {})
    if all(difference.kind is Kind.OTHER_OUTCOME for difference in differences.values()):
        return
    fixture = storage_fixture(metafunc.fixturenames)
    params = []
    for storage in PARAMS[fixture]:
        difference = differences.get(storage)
        if difference is None or difference.kind is Kind.OTHER_OUTCOME:
            params.append(pytest.param(storage))
        elif difference.kind is Kind.EXPECTED_TO_FAIL:
            params.append(pytest.param(storage, marks=pytest.mark.xfail(reason=difference.reason, strict=True)))
    metafunc.definition.add_marker(pytest.mark.parametrize(fixture, params, indirect=True))

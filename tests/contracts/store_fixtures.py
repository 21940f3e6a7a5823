"""Fixtures of the object stores: a server starts once, when the first test needs it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contracts import store_servers
from tests.contracts.store_servers import Store

LOCAL, MEMORY = "local disk", "memory"
STORES = ("s3", "gcs", "azure")
PARAMS = {"storage": (LOCAL, MEMORY, *STORES), "store": STORES}
"""By fixture: everything that it gives in turn. ``storage`` is that of test_storage.py."""


@pytest.fixture(scope="session")
def s3() -> Iterator[Store]:
    with store_servers.s3() as running:
        yield running


@pytest.fixture(scope="session")
def gcs() -> Iterator[Store]:
    with store_servers.gcs() as running:
        yield running


@pytest.fixture(scope="session")
def azure() -> Iterator[Store]:
    with store_servers.azure() as running:
        yield running


@pytest.fixture(params=PARAMS["store"])
def store(request: pytest.FixtureRequest) -> Store:
    """Return each object store in turn."""
    running: Store = request.getfixturevalue(request.param)
    return running

"""Lists the tests of this folder that a storage skips, fails or passes differently, each with its reason.

No test says so itself: ``pytest_generate_tests`` in conftest.py leaves out or marks what is listed here, and
test_store_differences.py fails if an entry is unused.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum, auto

from tests.contracts.store_fixtures import MEMORY


class Kind(Enum):
    LEFT_OUT = auto()
    EXPECTED_TO_FAIL = auto()  # strictly: a pass fails the run
    OTHER_OUTCOME = auto()  # the test asks :func:`has_other_outcome`


@dataclass(frozen=True, slots=True)
class Difference:
    kind: Kind
    reason: str


_S3_IS_ENOUGH = Difference(Kind.LEFT_OUT, "it tests the layers above; test_storage.py covers each store itself")

DIFFERENCES: dict[str, dict[str, Difference]] = {
    "test_of_many_creators_at_once_one_wins_and_readers_see_it_whole": {
        MEMORY: Difference(Kind.LEFT_OUT, "fsspec's memory file system checks that a name is free before it takes it"),
    },
    "test_two_processes_that_race_for_a_job_send_each_shard_once": {"gcs": _S3_IS_ENOUGH, "azure": _S3_IS_ENOUGH},
    "test_a_dag_reads_keeps_its_ledger_and_writes_on_s3_and_a_second_run_pays_nothing": {
        "gcs": _S3_IS_ENOUGH,
        "azure": _S3_IS_ENOUGH,
    },
    "test_who_completes_an_upload_of_many_parts_last_does_not_win": {
        "gcs": Difference(
            Kind.EXPECTED_TO_FAIL,
            "fake-gcs-server 0.1.1 checks ifGenerationMatch only for uploads of one request",
        ),
    },
    "test_a_bucket_that_does_not_exist_is_named_before_anything_is_sent": {
        "azure": Difference(Kind.OTHER_OUTCOME, "adlfs raises no FileNotFoundError, so it stays its own error"),
    },
}
"""By test, then by storage."""


def storage_fixture(arguments: Collection[str]) -> str:
    """Return the fixture of a test that gives each storage in turn; where there is a ``store``, it decides."""
    return "store" if "store" in arguments else "storage"


def has_other_outcome(test: str, storage: str) -> bool:
    difference = DIFFERENCES.get(test, {}).get(storage)
    return difference is not None and difference.kind is Kind.OTHER_OUTCOME

"""Object stores and DAGs for the tests that need them; if a store's packages are missing, its tests are skipped."""

from tests.contracts.store_fixtures import azure, gcs, s3, store
from tests.dags.conftest import dags, dags_folder

__all__ = ["azure", "dags", "dags_folder", "gcs", "s3", "store"]

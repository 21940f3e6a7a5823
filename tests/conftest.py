"""No test touches the user's Airflow or could find a real credential: seen to before anything imports Airflow."""

import os
import shutil
import tempfile

import pytest

for _name in [name for name in os.environ if name.startswith(("AIRFLOW", "ANTHROPIC_"))]:
    del os.environ[_name]
os.environ["AIRFLOW_HOME"] = _AIRFLOW_HOME = tempfile.mkdtemp(prefix="airflow-home-")
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"


def pytest_unconfigure(config: pytest.Config) -> None:
    shutil.rmtree(_AIRFLOW_HOME, ignore_errors=True)

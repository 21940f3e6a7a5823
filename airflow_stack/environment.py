"""The environment variables of an Airflow that this package starts.

Nothing of the user's gets in: every inherited ``AIRFLOW*`` setting and every ``ANTHROPIC*`` credential is dropped.
Nothing is reachable from outside: every server listens on loopback.
"""

import base64
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

_DROPPED_PREFIXES = ("AIRFLOW_", "_AIRFLOW_", "ANTHROPIC_", "__AIRFLOW")

# Short enough for a test to see another triggerer take over, long enough for a loaded machine.
TRIGGERER_LOST_SECONDS = 10
SCHEDULER_LOST_SECONDS = 30


def database_path(home: Path) -> Path:
    """Return the path of the SQLite database of the Airflow in ``home``."""
    return home / "airflow.db"


def airflow_environment(
    home: Path, dags_folder: Path, port: int, extra: Mapping[str, str], database_url: str | None = None
) -> dict[str, str]:
    """Build the whole environment of a stack's processes.

    :param home: AIRFLOW_HOME.
    :param dags_folder: the only DAGs folder.
    :param port: the API server's port on loopback.
    :param extra: more variables, such as ``AIRFLOW_CONN_…``; they override all others.
    :param database_url: the SQLAlchemy URL of the metadata database; default: SQLite in ``home``.
    """
    database_url = database_url or f"sqlite:///{database_path(home)}?timeout=30"
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_DROPPED_PREFIXES)}
    return {
        **inherited,
        **_process_variables(home),
        **{f"AIRFLOW__{name}": value for name, value in _settings(dags_folder, port, database_url).items()},
        **extra,
    }


def _process_variables(home: Path) -> dict[str, str]:
    loopback = "127.0.0.1,localhost"
    return {
        "AIRFLOW_HOME": str(home),
        "NO_PROXY": loopback,
        "no_proxy": loopback,
        "SCARF_ANALYTICS": "false",
        "PYTHONUNBUFFERED": "1",
        "NO_COLOR": "1",
        # Airflow renames its processes; without this setting, that overwrites the marks by which we find them.
        "SPT_NOENV": "1",
    }


def _settings(dags_folder: Path, port: int, database_url: str) -> dict[str, str]:
    url = f"http://127.0.0.1:{port}"
    return {
        "CORE__DAGS_FOLDER": str(dags_folder),
        "CORE__LOAD_EXAMPLES": "False",
        "CORE__EXECUTOR": "LocalExecutor",
        "CORE__PARALLELISM": "4",
        "CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "CORE__AUTH_MANAGER": "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager",
        "CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "CORE__FERNET_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "DATABASE__SQL_ALCHEMY_CONN": database_url,
        "DATABASE__LOAD_DEFAULT_CONNECTIONS": "False",
        "API__HOST": "127.0.0.1",
        "API__PORT": str(port),
        "API__BASE_URL": url,
        "API__WORKERS": "1",
        "API__SECRET_KEY": secrets.token_hex(32),
        "API_AUTH__JWT_SECRET": secrets.token_hex(32),
        # Airflow 3.0 with a newer PyJWT answers 500 if no issuer is set.
        "API_AUTH__JWT_ISSUER": "airflow-stack",
        "LOGGING__COLORED_CONSOLE_LOG": "False",
        "USAGE_DATA_COLLECTION__ENABLED": "False",
        **_paces(),
    }


def _paces() -> dict[str, str]:
    """Return the settings that make a small Airflow react quickly."""
    return {
        "DAG_PROCESSOR__REFRESH_INTERVAL": "5",
        "DAG_PROCESSOR__BUNDLE_REFRESH_CHECK_INTERVAL": "5",
        "DAG_PROCESSOR__PARSING_PROCESSES": "1",
        # Parsing is most of the work of an idle Airflow. New and changed files are parsed at once.
        "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "3600",
        "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "1",  # a turn takes 50 ms of a processor, also if nothing is to do
        "SCHEDULER__TRIGGER_TIMEOUT_CHECK_INTERVAL": "3",
        "SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "10",
        "SCHEDULER__TASK_INSTANCE_HEARTBEAT_SEC": "5",
        "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": str(SCHEDULER_LOST_SECONDS),
        "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
        # A worker may notice the end of a task only after this interval. If a trigger fires earlier, the scheduler
        # takes the end of the deferral for a task killed from outside, and fails it; MessageBatchTrigger waits for it.
        "WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
        "TRIGGERER__JOB_HEARTBEAT_SEC": "2",
        "TRIGGERER__ON_KILL_TIMEOUT": "120",  # the first question to a triggerer's supervisor may take 25 s
        "TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": str(TRIGGERER_LOST_SECONDS),
    }

"""The web page that shows a task's output: the store's console, or the XComs of the task in Airflow's UI."""

from __future__ import annotations

import logging
import os
from typing import Any
from urllib.parse import quote

from anthropic_batches_provider.edge.task_destination import XCOM, folder_of_task
from anthropic_batches_provider.edge.uris import split_scheme

log = logging.getLogger(__name__)

# The form is that of apache-airflow-providers-amazon 9.39, links/emr.py (2026-11-28); AWS documents none.
_S3_PAGE = "https://console.aws.amazon.com/s3/buckets/{bucket}?prefix={path}"
# Source: https://cloud.google.com/storage/docs/request-endpoints, "Typical console requests" (2026-11-28)
_GCS_PAGE = "https://console.cloud.google.com/storage/browser/{bucket}/{path}"
_PAGES = {"s3": _S3_PAGE, "s3a": _S3_PAGE, "s3n": _S3_PAGE, "gs": _GCS_PAGE, "gcs": _GCS_PAGE}
_OTHER_ENDPOINTS = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "STORAGE_EMULATOR_HOST")


def output_page(destination: object, task_instance: Any) -> str:
    """Return the page of a task's output: an absolute URL, or one that is relative to the root of Airflow's UI.

    Files of a worker, and stores whose console page the URI does not determine (such as Azure's), have no page; the
    task's XComs name them.

    :param destination: a rendered ``destination=``; a table has no page.
    :param task_instance: has ``dag_id``, ``run_id``, ``task_id`` and ``map_index``.
    """
    if isinstance(destination, str) and destination != XCOM:
        try:
            page = _store_page(folder_of_task(destination, task_instance.map_index))
        except Exception as error:  # noqa: BLE001 - Airflow 3.0 fails a task whose link cannot be made
            log.debug("The store of %s could not be opened for a link: %s", destination, error)
        else:
            if page is not None:
                return page
    return xcom_page(task_instance)


def xcom_page(task_instance: Any) -> str:
    """Return the page of a task's XComs, relative to the root of Airflow's UI.

    :param task_instance: as :func:`output_page`.
    """
    dag_id, run_id, task_id = (
        quote(str(part), safe="") for part in (task_instance.dag_id, task_instance.run_id, task_instance.task_id)
    )
    map_index = task_instance.map_index
    mapped = "" if map_index is None or map_index < 0 else f"/mapped/{map_index}"
    return f"dags/{dag_id}/runs/{run_id}/tasks/{task_id}{mapped}/xcom"


def _store_page(folder: str) -> str | None:
    """Return the page of a folder in the console of its store; None if it has none, or another service imitates it."""
    scheme, rest = split_scheme(folder)
    page = _PAGES.get(scheme)
    if page is None or _has_other_endpoint(folder):
        return None
    bucket, _, path = rest.partition("/")
    return page.format(bucket=quote(bucket.rpartition("@")[2]), path=quote(f"{path.strip('/')}/".lstrip("/")))


def _has_other_endpoint(uri: str) -> bool:
    from anthropic_batches_provider.edge.object_storage import object_path

    fs = object_path(uri).fs
    own = getattr(fs, "endpoint_url", None) or getattr(fs, "_endpoint", None)  # of s3fs, of gcsfs
    return bool(own) or any(os.environ.get(name) for name in _OTHER_ENDPOINTS)

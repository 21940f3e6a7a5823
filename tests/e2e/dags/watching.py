"""A DAG that runs when another program's batches end."""

from __future__ import annotations

from typing import Any

import pendulum
from airflow.sdk import DAG, Asset, AssetWatcher, task

from anthropic_batches_provider.event_triggers import MessageBatchEventTrigger

ENDED = Asset("ended_batches", watchers=[AssetWatcher(name="ended", trigger=MessageBatchEventTrigger(poll_interval=2))])

with DAG("watching", schedule=[ENDED], start_date=pendulum.datetime(2026, 1, 1, tz="UTC"), catchup=False):

    @task
    def told(triggering_asset_events: Any = None) -> list[dict[str, Any]]:
        """Return what the watcher reported."""
        return [event.extra["payload"] for event in triggering_asset_events[ENDED]]

    told()

"""Waits in a process of its own, which fails if anything blocks its event loop.

What is loaded once in a process blocks only the first time, so other tests in the same process would hide it.
"""

from __future__ import annotations

import asyncio
import json
import os

import blockbuster

from anthropic_batches_provider.batches.client import ClientSettings, MessageBatchClient
from anthropic_batches_provider.simulator import SimulatorServer
from anthropic_batches_provider.triggers import MessageBatchTrigger
from tests.worlds.virtual_time import REQUEST

BATCHES = 20


async def waits(server: SimulatorServer, batch_ids: list[str]) -> None:
    """Wait for batches as a triggerer does, and end them after some checks."""
    triggers = [MessageBatchTrigger([batch_id], "claude", 0.3) for batch_id in batch_ids]
    for number, trigger in enumerate(triggers):
        trigger.trigger_id = number
    running = [asyncio.create_task(_outcome(trigger)) for trigger in triggers]
    while (await asyncio.to_thread(server.control.received)).calls.get("list", 0) < 3:  # noqa: ASYNC110 - a server counts them
        await asyncio.sleep(0.05)
    await asyncio.to_thread(server.control.end_batches)
    assert await asyncio.gather(*running) == ["ended"] * BATCHES


async def _outcome(trigger: MessageBatchTrigger) -> str:
    (event,) = [event async for event in trigger.run()]
    return str(event.payload["outcome"])


def main() -> None:
    """Run the waits; an error ends the process with a trace."""
    with SimulatorServer() as server:
        server.control.change_settings(batch_duration=3600, retry_after=None)
        connection = {"conn_type": "anthropic_batches", "host": server.base_url, "password": server.api_key}
        os.environ["AIRFLOW_CONN_CLAUDE"] = json.dumps(connection)
        body = json.dumps({"requests": [{"custom_id": "a", "params": REQUEST}]}).encode()
        with MessageBatchClient(ClientSettings(api_key=server.api_key, base_url=server.base_url)) as client:
            batch_ids = [client.create([body], content_length=len(body)).id for _ in range(BATCHES)]
        with blockbuster.blockbuster_ctx():
            asyncio.run(asyncio.wait_for(waits(server, batch_ids), 60))


if __name__ == "__main__":
    main()

"""The facts about this provider that Airflow reads through its entry point.

This module imports nothing outside the standard library: Airflow calls :func:`get_provider_info` in each process.
"""

from __future__ import annotations

from typing import Any

from anthropic_batches_provider import __version__
from anthropic_batches_provider.edge.configuration import OPTIONS, SECTION
from anthropic_batches_provider.edge.connection_form import (
    CONNECTION_FIELDS,
    CONNECTION_TYPE,
    CONNECTION_TYPE_LABEL,
    UI_FIELD_BEHAVIOUR,
)

DISTRIBUTION = "airflow-provider-anthropic-batches"
INTEGRATION = CONNECTION_TYPE_LABEL
DOCUMENTATION = "https://platform.claude.com/docs/en/build-with-claude/batch-processing"
HOOK_CLASS = "anthropic_batches_provider.hooks.MessageBatchHook"


def _modules(*names: str) -> list[dict[str, Any]]:
    return [
        {"integration-name": INTEGRATION, "python-modules": [f"anthropic_batches_provider.{name}" for name in names]},
    ]


def get_provider_info() -> dict[str, Any]:
    """Return the provider info of Airflow's ``provider_info.schema.json`` (entry point ``apache_airflow_provider``)."""
    return {
        "package-name": DISTRIBUTION,
        "name": INTEGRATION,
        "description": (
            "Rows in, Claude's answers out, through Anthropic's "
            f"`Message Batches API <{DOCUMENTATION}>`__ at half price: "
            "nothing is paid for twice, nothing is lost, and size does not matter.\n"
        ),
        "versions": [__version__],
        "integrations": [
            {
                "integration-name": INTEGRATION,
                "external-doc-url": DOCUMENTATION,
                "tags": ["ai"],
            }
        ],
        "hooks": _modules("hooks"),
        "operators": _modules("operators"),
        "sensors": _modules("sensors"),
        "triggers": _modules("triggers", "event_triggers", "start_triggers"),
        "task-decorators": [
            {
                "name": "message_batch",
                "class-name": "anthropic_batches_provider.decorators.message_batch_task",
            }
        ],
        "extra-links": [
            f"anthropic_batches_provider.links.{name}"
            for name in ("OutputLink", "ConsoleBatchesLink", "ConsoleBatchLink")
        ],
        "connection-types": [
            {
                "connection-type": CONNECTION_TYPE,
                "hook-class-name": HOOK_CLASS,
                "hook-name": INTEGRATION,
                "conn-fields": CONNECTION_FIELDS,
                "ui-field-behaviour": {key.replace("_", "-"): value for key, value in UI_FIELD_BEHAVIOUR.items()},
            }
        ],
        "config": {
            SECTION: {
                "description": "Settings of the provider for Anthropic's Message Batches API.",
                "options": {option.name: option.as_provider_info() for option in OPTIONS},
            }
        },
    }

"""What Airflow learns about this provider from its entry point, without importing anything else of it.

Imports nothing outside the standard library: Airflow calls :func:`get_provider_info` in each of its processes. The
connection type ``anthropic`` belongs to the official provider: it must never be registered here, since a second
registration would take over that provider's connections.
"""

from typing import Any

from anthropic_batches_provider import __version__

DISTRIBUTION = "airflow-provider-anthropic-batches"
INTEGRATION = "Anthropic Message Batches"
DOCUMENTATION = "https://platform.claude.com/docs/en/build-with-claude/batch-processing"
CONNECTION_TYPE = "anthropic_batches"
HOOK_CLASS = "anthropic_batches_provider.hooks.MessageBatchHook"

PLATFORMS = ("anthropic",)

# The fields of the connection form that live in the connection's extra, as Airflow 3.2 and later reads them. Below
# that, the hook's get_connection_form_widgets builds the same fields from this table.
CONNECTION_FIELDS: dict[str, dict[str, Any]] = {
    "workspace_id": {
        "label": "Workspace ID",
        "description": (
            "The workspace that the key belongs to (wrkspc_…). Needed only where a proxy strips the response headers "
            "that name it."
        ),
        "schema": {"type": ["string", "null"]},
    },
    "platform": {
        "label": "Platform",
        "description": "Where the Message Batches API is called: anthropic, the first-party API.",
        "schema": {"type": ["string", "null"], "enum": list(PLATFORMS), "default": "anthropic"},
    },
    "credentials": {
        "label": "Credentials",
        "description": (
            "Empty: only what this connection holds (API key or workload identity), and a clear error where it holds "
            "none. environment: let the SDK find its credentials in the environment of the worker and the triggerer."
        ),
        "schema": {"type": ["string", "null"], "enum": ["", "environment"], "default": ""},
    },
    "workload_identity": {
        "label": "Workload identity",
        "description": (
            "JSON object for workload identity federation instead of an API key: federation_rule_id, organization_id, "
            "service_account_id, workspace_id, identity_token_file."
        ),
        "schema": {"type": ["object", "null"], "format": "multiline"},
    },
    "anthropic_client_kwargs": {
        "label": "Client arguments",
        "description": 'JSON object of further arguments of the SDK\'s client, for instance {"timeout": 60}.',
        "schema": {"type": ["object", "null"], "format": "multiline"},
    },
}

# In the form that get_ui_field_behaviour returns; get_provider_info spells the same in provider info's way.
UI_FIELD_BEHAVIOUR: dict[str, Any] = {
    "hidden_fields": ["schema", "login", "port"],
    "relabeling": {"password": "API key", "host": "Base URL"},
    "placeholders": {"password": "sk-ant-…", "host": "https://api.anthropic.com"},
}

_STORAGE_OPTION = {
    "description": (
        "Where jobs keep what must outlive a task: the request shards as sent, the rows' keys, and the ledger of what "
        "was submitted and paid for. Any path that Airflow's ObjectStoragePath accepts, with a connection where the "
        "store needs one. Unset: file://{AIRFLOW_HOME}/anthropic_batches, which is accepted only where tasks share a "
        "disk (LocalExecutor and dag.test()); every other executor needs a store that all workers reach. Operators "
        "take storage= for a different place. Do not delete jobs from it that may still be retried or cleared: what "
        "the ledger forgets is paid for again."
    ),
    "version_added": "0.1.0",
    "type": "string",
    "example": "s3://aws_default@my-bucket/anthropic_batches",
    "default": None,
}

_SPOOL_OPTION = {
    "description": (
        "A local folder for what tasks write on their way, one folder for each attempt, removed when it ends (after a "
        "kill: when the user's next one on this host starts). Needs room for one message batch per running task: up "
        "to 256 MB of requests, or the results twice over; besides, 30 to 120 bytes per row for its key. Files hold "
        "prompts and answers, and only their user may read them. Unset: the system's temporary folder. On a network "
        "disk without locks, what killed attempts leave is not removed."
    ),
    "version_added": "0.1.0",
    "type": "string",
    "example": "/mnt/scratch",
    "default": None,
}


def _seconds(default: int, description: str) -> dict[str, Any]:
    return {
        "description": description,
        "version_added": "0.1.0",
        "type": "integer",
        "example": None,
        "default": str(default),
    }


# How long a create call may take decides when a lost one is certain to have made no batch: after the three together.
_BOUNDS_OPTIONS = {
    "post_start_seconds": _seconds(60, "A create call may start only this long after its intent was recorded."),
    "post_deadline_seconds": _seconds(900, "The body of a create call is broken off this long after it started."),
    "settle_seconds": _seconds(
        600,
        "How long after that the service may still make a batch of a lost call visible. The three together "
        "are how long a lost call that made no batch holds up its shard before it is sent again. Too short a time can "
        "pay twice.",
    ),
}


def _modules(*names: str) -> list[dict[str, Any]]:
    return [
        {"integration-name": INTEGRATION, "python-modules": [f"anthropic_batches_provider.{name}" for name in names]},
    ]


def get_provider_info() -> dict[str, Any]:
    """Return what Airflow's ``provider_info.schema.json`` describes (entry point ``apache_airflow_provider``)."""
    return {
        "package-name": DISTRIBUTION,
        "name": INTEGRATION,
        "description": (
            "Rows in, Claude's answers out, through Anthropic's "
            f"`Message Batches API <{DOCUMENTATION}>`__ at half price: "
            "nothing is paid twice, nothing is lost, and size does not matter.\n"
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
        "extra-links": ["anthropic_batches_provider.links.ConsoleBatchesLink"],
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
            "anthropic_batches": {
                "description": "Settings of the provider for Anthropic's Message Batches API.",
                "options": {"storage": _STORAGE_OPTION, "spool": _SPOOL_OPTION, **_BOUNDS_OPTIONS},
            }
        },
    }

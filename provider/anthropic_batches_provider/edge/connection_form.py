"""The connection type and its form in Airflow's UI.

This module imports nothing outside the standard library: Airflow reads provider info in each of its processes. The
connection type ``anthropic`` belongs to the official provider. Never register it here: a second registration would take
over that provider's connections.
"""

from __future__ import annotations

import importlib
from typing import Any

CONNECTION_TYPE = "anthropic_batches"
CONNECTION_TYPE_LABEL = "Anthropic Message Batches"
DEFAULT_CONN_ID = "anthropic_default"
PLATFORMS = ("anthropic",)

# The fields of the connection form that are stored in the connection's extra, as Airflow 3.2 and later reads them.
CONNECTION_FIELDS: dict[str, dict[str, Any]] = {
    "workspace_id": {
        "label": "Workspace ID",
        "description": (
            "The workspace that the key belongs to (wrkspc_…). Needed only if a proxy strips the response headers "
            "that name it."
        ),
        "schema": {"type": ["string", "null"]},
    },
    "platform": {
        "label": "Platform",
        "description": "The platform that serves the Message Batches API: anthropic, the first-party API.",
        "schema": {"type": ["string", "null"], "enum": list(PLATFORMS), "default": "anthropic"},
    },
    "credentials": {
        "label": "Credentials",
        "description": (
            "Empty: use only the credentials of this connection (API key or workload identity); if it has none, a "
            "clear error. environment: let the SDK find credentials in the environment of the worker and the triggerer."
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
    "prices": {
        "label": "Prices",
        "description": (
            "JSON object of your own prices by model, for what jobs cost, in dollars for a million tokens outside of "
            'batches: {"claude-opus-5-5": {"input": "3.6", "output": "18"}}. Empty: the public prices.'
        ),
        "schema": {"type": ["object", "null"], "format": "multiline"},
    },
    "anthropic_client_kwargs": {
        "label": "Client arguments",
        "description": 'JSON object of further arguments of the SDK\'s client, for example {"timeout": 60}.',
        "schema": {"type": ["object", "null"], "format": "multiline"},
    },
}

# In the form that a hook's get_ui_field_behaviour returns; provider info uses the same keys with hyphens.
UI_FIELD_BEHAVIOUR: dict[str, Any] = {
    "hidden_fields": ["schema", "login", "port"],
    "relabeling": {"password": "API key", "host": "Base URL"},
    "placeholders": {"password": "sk-ant-…", "host": "https://api.anthropic.com"},
}


def form_widgets() -> dict[str, Any]:
    """Return the same fields in the form that Airflow below 3.2 needs; none if its form library is not installed."""
    try:
        wtforms = importlib.import_module("wtforms")
        validators = importlib.import_module("wtforms.validators")
    except ImportError:
        return {}
    try:
        styles = importlib.import_module("flask_appbuilder.fieldwidgets")
    except ImportError:
        styles = None
    widgets = {}
    for name, described in CONNECTION_FIELDS.items():
        schema = described["schema"]
        allowed = schema.get("enum")
        style = f"BS3Text{'Area' if schema.get('format') == 'multiline' else ''}FieldWidget"
        widgets[name] = wtforms.StringField(
            described["label"],
            validators=[validators.Optional(), *([validators.any_of(allowed)] if allowed else [])],
            description=described["description"],
            default=schema.get("default"),
            widget=getattr(styles, style)() if styles is not None else None,
        )
    return widgets

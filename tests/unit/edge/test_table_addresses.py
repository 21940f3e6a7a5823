"""Where a table is, without credentials and without the name of its connection."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.sdk import Asset

from anthropic_batches_provider.edge.table_addresses import TableAddress, address_of

POSTGRES = {"conn_type": "postgres", "host": "DB.example", "schema": "lake", "login": "me", "password": "s3cret"}
SQLITE = {"conn_type": "sqlite", "host": "/data/my ware.db"}


@pytest.mark.parametrize(
    ("connection", "table", "uri", "lineage"),
    [
        (
            POSTGRES,
            "mart.labels",
            "postgres://db.example:5432/lake/mart/labels",
            ("postgresql://db.example", "lake.mart.labels"),
        ),
        (
            {**POSTGRES, "port": 6000},
            "mart.été",
            "postgres://db.example:6000/lake/mart/%C3%A9t%C3%A9",
            ("postgresql://db.example:6000", "lake.mart.été"),
        ),
        (
            {**POSTGRES, "host": "/run/postgres"},
            "mart.labels",
            "x-postgresql:///lake/mart/labels",
            ("postgresql://", "lake.mart.labels"),
        ),
        (
            {**POSTGRES, "extra": {"redshift": True}},
            "mart.labels",
            "x-redshift://db.example/lake/mart/labels",
            ("redshift://db.example", "lake.mart.labels"),
        ),
        (SQLITE, "labels", "x-sqlite:///data/my%20ware.db/labels", ("sqlite:///data/my ware.db", "labels")),
    ],
)
def test_a_table_has_one_address_that_airflow_takes_as_it_is(
    connection: dict[str, Any], table: str, uri: str, lineage: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps(connection))
    address = address_of("warehouse", table)
    assert address.asset_uri == uri
    assert Asset(uri).uri == uri
    assert (address.namespace, address.name) == lineage
    assert not {"s3cret", "me@", "warehouse"} & {part for part in ("s3cret", "me@", "warehouse") if part in uri}


@pytest.mark.parametrize(
    ("address", "uri"),
    [
        (
            TableAddress(kind="mysql", host="h", database="lake", table="labels"),
            "mysql://h:3306/lake/labels",
        ),
        (
            TableAddress(kind="oracle", host="h", port=1521, database="", schema="mart", table="a/b"),
            "x-oracle://h:1521/mart/a%2Fb",
        ),
    ],
)
def test_other_databases_have_schemes_of_airflow_or_a_scheme_that_airflow_leaves_alone(
    address: TableAddress, uri: str
) -> None:
    assert address.asset_uri == uri

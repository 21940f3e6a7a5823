"""The account that batches belong to. Its identity survives a rotated key and a renamed connection."""

from __future__ import annotations

from dataclasses import dataclass

import pendulum


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Base URL plus the organization and workspace ids that the service names in its response headers.

    It never contains the key or the Airflow connection id. If a proxy strips the headers, the organization is None
    and the workspace is the connection's ``workspace_id``, if set.
    """

    base_url: str
    organization_id: str | None = None
    workspace_id: str | None = None

    def may_be(self, other: Account) -> bool:
        """Return whether two accounts can be the same: every field that both of them name is equal."""
        pairs = ((self.organization_id, other.organization_id), (self.workspace_id, other.workspace_id))
        return self.base_url == other.base_url and all(mine == yours or None in (mine, yours) for mine, yours in pairs)

    def __str__(self) -> str:
        organization = self.organization_id or "unknown organization"
        return f"{organization} / {self.workspace_id or 'default workspace'} at {self.base_url}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Greeting:
    """The account and the time that the service reports in the headers of an answer.

    :param account: base URL with organization and workspace id.
    :param server_time: the ``Date`` header in UTC, to the second, plus the ``Age`` that a proxy adds; None if a
        proxy strips the header.
    """

    account: Account
    server_time: pendulum.DateTime | None

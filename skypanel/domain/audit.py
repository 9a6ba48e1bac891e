"""What was done, by whom, to what."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from skypanel.domain.ids import AccountId, AppId, AuditEntryId, OrganizationId


@dataclass(frozen=True)
class AuditEntry:
    """One deed. It names people and apps as they were called then, since it outlives them.

    `origin` is where the request came from, such as `ssh 192.0.2.7`; `details` never holds a secret.
    """

    id: AuditEntryId
    at: datetime
    action: str
    account_id: AccountId | None
    email: str | None
    organization_id: OrganizationId | None
    app_id: AppId | None
    app_name: str | None
    details: Mapping[str, Any]
    origin: str | None

"""Problems that administrators should see without looking for them."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from skypanel.domain.ids import AlertId


class AlertKind(StrEnum):
    """The problem that an alert reports. Only one alert for each kind and subject is open at a time."""

    NODE_INACTIVE = "node_inactive"
    DOMAIN_LOST = "domain_lost"


@dataclass(frozen=True)
class Alert:
    """A problem with `subject` that began at `raised_at`, and ended at `resolved_at`; `message` is a sentence."""

    id: AlertId
    kind: AlertKind
    subject: str
    message: str
    raised_at: datetime
    resolved_at: datetime | None = None

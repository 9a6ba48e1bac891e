"""What administrators should know of without asking."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from skypanel.domain.ids import AlertId


class AlertKind(StrEnum):
    """What an alert is about; of each kind and subject one is open at a time."""

    NODE_INACTIVE = "node_inactive"


@dataclass(frozen=True)
class Alert:
    """Something is wrong with `subject`, since `raised_at`; `message` is a sentence."""

    id: AlertId
    kind: AlertKind
    subject: str
    message: str
    raised_at: datetime

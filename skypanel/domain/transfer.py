"""Offers to transfer an app to another person."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from skypanel.domain.account import Account
from skypanel.domain.ids import AccountId, AppId, TransferId


class TransferState(StrEnum):
    """The answer to an offer."""

    PENDING = "pending"
    ACCEPTED = "accepted"
    DECLINED = "declined"


@dataclass(frozen=True)
class Transfer:
    """An offer of an app: `sender` gives it away, and `recipient` takes it into one of their organizations."""

    id: TransferId
    app_id: AppId
    app_name: str
    sender: Account
    recipient: Account
    state: TransferState
    created_at: datetime
    answered_at: datetime | None = None

    def awaits(self, account_id: AccountId) -> bool:
        """Whether this account can answer the offer."""
        return self.recipient.id == account_id and self.state is TransferState.PENDING

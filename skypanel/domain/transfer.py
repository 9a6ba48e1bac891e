"""The offer of an app to somebody else."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from skypanel.domain.account import Account
from skypanel.domain.ids import AccountId, AppId, TransferId


class TransferState(StrEnum):
    """What was answered to an offer."""

    PENDING = "pending"
    ACCEPTED = "accepted"
    DECLINED = "declined"


@dataclass(frozen=True)
class Transfer:
    """An offer of an app: by `sender`, who gives it out of its organization, to `recipient`, who takes it into one of theirs."""

    id: TransferId
    app_id: AppId
    app_name: str
    sender: Account
    recipient: Account
    state: TransferState
    created_at: datetime
    answered_at: datetime | None = None

    def awaits(self, account_id: AccountId) -> bool:
        """Whether an account is the one to answer it."""
        return self.recipient.id == account_id and self.state is TransferState.PENDING

"""Why nothing of an organization runs, and what is to be done about it."""

from enum import StrEnum

from skypanel.domain.errors import Denied, SkyPanelError, Unpaid


class Suspension(StrEnum):
    """Who had its apps stop: the panel, as its wallet is empty, or an administrator, whatever it can pay."""

    # The values stand in audit logs.
    UNPAID = "wallet"
    HELD = "administrator"

    @property
    def reason(self) -> str:
        """Why, as the part of a sentence."""
        return _SENTENCES[self][0]

    @property
    def remedy(self) -> str:
        """What to do, as a sentence."""
        return _SENTENCES[self][1]

    def refusal(self, what: str) -> SkyPanelError:
        """Return what is answered to somebody who wants it to run."""
        kind = Unpaid if self is Suspension.UNPAID else Denied
        return kind(f"{what} cannot run: {self.reason}.", self.remedy)


_SENTENCES = {
    Suspension.UNPAID: (
        "the wallet of its organization is empty",
        "Have an administrator fill it: skypanel wallet credit ORGANIZATION AMOUNT",
    ),
    Suspension.HELD: (
        "an administrator of this panel suspended its organization",
        "Ask an administrator why; one ends it by: skypanel orgs resume ORGANIZATION",
    ),
}


def suspension(*, held: bool, unpaid: bool) -> Suspension | None:
    """Return why an organization's apps do not run: where both hold, what no money ends."""
    if held:
        return Suspension.HELD
    return Suspension.UNPAID if unpaid else None

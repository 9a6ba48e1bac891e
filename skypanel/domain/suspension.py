"""Suspensions: why nothing of an organization runs, and what ends that."""

from enum import StrEnum

from skypanel.domain.errors import Denied, SkyPanelError, Unpaid


class Suspension(StrEnum):
    """Who stopped the apps: the panel because the wallet is empty, or an administrator for any other reason."""

    # Audit logs contain these values.
    UNPAID = "wallet"
    HELD = "administrator"

    @property
    def reason(self) -> str:
        """The reason, as part of a sentence."""
        return _SENTENCES[self][0]

    @property
    def remedy(self) -> str:
        """What to do about it, as a sentence."""
        return _SENTENCES[self][1]

    def refusal(self, what: str) -> SkyPanelError:
        """Return the error for an attempt to run `what`."""
        kind = Unpaid if self is Suspension.UNPAID else Denied
        return kind(f"{what} cannot run: {self.reason}.", self.remedy)


_SENTENCES = {
    Suspension.UNPAID: (
        "the wallet of its organization is empty",
        "Ask an administrator to add credit: skypanel wallet credit ORGANIZATION AMOUNT",
    ),
    Suspension.HELD: (
        "an administrator of this panel suspended its organization",
        "Ask an administrator to resume it: skypanel orgs resume ORGANIZATION",
    ),
}


def suspension(*, held: bool, unpaid: bool) -> Suspension | None:
    """Return why an organization's apps do not run. If both apply, it is the one that a payment does not end."""
    if held:
        return Suspension.HELD
    return Suspension.UNPAID if unpaid else None

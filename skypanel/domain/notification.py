"""Mails about what happened, which a person can turn off. Others, such as invitations and new passwords, always come."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from skypanel.domain.account import Account


class Notification(StrEnum):
    """A kind of mail. The values are stored."""

    DEPLOY_FAILED = "deploy_failed"
    WALLET_LOW = "wallet_low"
    APPS_STOPPED = "apps_stopped"
    DOMAIN_LOST = "domain_lost"
    NODE_INACTIVE = "node_inactive"


@dataclass(frozen=True)
class NotificationText:
    """What a kind of mail is about, and who gets it."""

    title: str
    who: str
    is_for_admins: bool = False


NOTIFICATIONS: Mapping[Notification, NotificationText] = {
    Notification.DEPLOY_FAILED: NotificationText("A deploy failed", "who pushed or deployed"),
    Notification.WALLET_LOW: NotificationText("The wallet of an organization is low", "its owners"),
    Notification.APPS_STOPPED: NotificationText("An empty wallet stopped the apps of an organization", "its owners"),
    Notification.DOMAIN_LOST: NotificationText("A domain without proof is about to be released", "the organization's owners and admins"),
    Notification.NODE_INACTIVE: NotificationText("A node is inactive", "administrators of the panel", is_for_admins=True),
}


def offered(account: Account) -> Mapping[Notification, NotificationText]:
    """Return the kinds of mail that an account can get."""
    return {kind: text for kind, text in NOTIFICATIONS.items() if account.is_admin or not text.is_for_admins}

"""The audit log: who did what, and to what."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from skypanel.domain.ids import AccountId, AppId, AuditEntryId, OrganizationId


class AuditAction(StrEnum):
    """What an entry records. Never reuse a value for another meaning: the log keeps the values of all versions."""

    ACCESS_DENY = "access.deny"
    ACCOUNT_CHANGE_ADDRESS = "account.change_address"
    ACCOUNT_END_SESSIONS = "account.end_sessions"
    ACCOUNT_DEMOTE = "account.demote"
    ACCOUNT_DISABLE = "account.disable"
    ACCOUNT_ENABLE = "account.enable"
    ACCOUNT_FORGET_PASSWORD = "account.forget_password"  # noqa: S105 - the name of an action, not a secret
    ACCOUNT_INVITE = "account.invite"
    ACCOUNT_LOCK = "account.lock"
    ACCOUNT_PROMOTE = "account.promote"
    ACCOUNT_RESET = "account.reset"
    ACCOUNT_SET_PASSWORD = "account.set_password"  # noqa: S105 - the name of an action, not a secret
    ACCOUNT_SIGN_IN = "account.sign_in"
    ACCOUNT_SIGN_IN_FAILED = "account.sign_in_failed"
    ACCOUNT_SIGN_OUT = "account.sign_out"
    ALERT_DESTINATION_ADD = "alert_destination.add"
    ALERT_DESTINATION_CHANGE = "alert_destination.change"
    ALERT_DESTINATION_REMOVE = "alert_destination.remove"
    ALERT_DESTINATION_TEST = "alert_destination.test"
    ALERT_RESOLVE = "alert.resolve"
    ALERT_SILENCE = "alert.silence"
    APP_BRANCH = "app.branch"
    APP_BUILDPACKS = "app.buildpacks"
    APP_CREATE = "app.create"
    APP_DECLINE = "app.decline"
    APP_DESTROY = "app.destroy"
    APP_HEALTH = "app.health"
    APP_HTTP = "app.http"
    APP_MAINTENANCE = "app.maintenance"
    APP_OFFER = "app.offer"
    APP_PLAN = "app.plan"
    APP_PUSH = "app.push"
    APP_RENAME = "app.rename"
    APP_RESTART = "app.restart"
    APP_SCALE = "app.scale"
    APP_TRANSFER = "app.transfer"
    APP_WITHDRAW = "app.withdraw"
    BUILD_CANCEL = "build.cancel"
    BUILD_REQUEST = "build.request"
    CERTIFICATE_ADD = "certificate.add"
    CERTIFICATE_AUTOMATE = "certificate.automate"
    CERTIFICATE_CHANGE = "certificate.change"
    CERTIFICATE_ISSUE = "certificate.issue"
    CERTIFICATE_REFRESH = "certificate.refresh"
    CERTIFICATE_REMOVE = "certificate.remove"
    COLLABORATOR_ADD = "collaborator.add"
    COLLABORATOR_REMOVE = "collaborator.remove"
    CONFIG_CHANGE = "config.change"
    DEPLOY_KEY_ADD = "deploy_key.add"
    DOMAIN_ADD = "domain.add"
    DOMAIN_CHECK = "domain.check"
    DOMAIN_RELEASE = "domain.release"
    DOMAIN_REMOVE = "domain.remove"
    DOMAIN_VERIFY = "domain.verify"
    DYNO_RUN = "dyno.run"
    DYNO_STOP = "dyno.stop"
    KEY_ADD = "key.add"
    KEY_REMOVE = "key.remove"
    LOG_DRAIN_ADD = "log_drain.add"
    LOG_DRAIN_REMOVE = "log_drain.remove"
    MEMBER_ADD = "member.add"
    MEMBER_CHANGE = "member.change"
    MEMBER_REMOVE = "member.remove"
    NODE_ACTIVATE = "node.activate"
    NODE_ADD = "node.add"
    NODE_DRAIN = "node.drain"
    NODE_PROVISION = "node.provision"
    NODE_REMOVE = "node.remove"
    ORGANIZATION_CREATE = "organization.create"
    ORGANIZATION_DELETE = "organization.delete"
    ORGANIZATION_RENAME = "organization.rename"
    ORGANIZATION_RESUME = "organization.resume"
    ORGANIZATION_SUSPEND = "organization.suspend"
    PASSKEY_ADD = "passkey.add"
    PASSKEY_REMOVE = "passkey.remove"
    PLAN_CHANGE = "plan.change"
    PLAN_CREATE = "plan.create"
    PLAN_DELETE = "plan.delete"
    PLAN_RESTORE = "plan.restore"
    PLAN_RETIRE = "plan.retire"
    RELEASE_CANCEL = "release.cancel"
    RELEASE_REDEPLOY = "release.redeploy"
    RELEASE_ROLLBACK = "release.rollback"
    REMOTE_CHOOSE = "remote.choose"
    REMOTE_CLEAR = "remote.clear"
    SETTINGS_CHANGE = "settings.change"
    STORAGE_FORGET = "storage.forget"
    TOKEN_ADD = "token.add"  # noqa: S105 - the name of an action, not a secret
    TOKEN_REVOKE = "token.revoke"  # noqa: S105 - the name of an action, not a secret
    TWO_FACTOR_CODES = "two_factor.codes"
    TWO_FACTOR_DISABLE = "two_factor.disable"
    TWO_FACTOR_ENABLE = "two_factor.enable"
    UPLOAD_OFFER = "upload.offer"
    UPLOAD_TAKE = "upload.take"
    WALLET_BILL = "wallet.bill"
    WALLET_CREDIT = "wallet.credit"
    WEBHOOK_ADD = "webhook.add"
    WEBHOOK_CHANGE = "webhook.change"
    WEBHOOK_REMOVE = "webhook.remove"


@dataclass(frozen=True)
class AuditEntry:
    """One recorded action. It stores the names of people and apps at that time, because it outlives them.

    `origin` says where the request came from, such as `ssh 192.0.2.7`; `details` never holds a secret.
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

    @property
    def way(self) -> str:
        """How the request came, such as `web` or `ssh`, without the address."""
        return (self.origin or "").partition(" ")[0]


@dataclass(frozen=True)
class AuditFilter:
    """Which entries are wanted. An empty field restricts nothing; `hidden` are actions that the reader must not see."""

    organization_id: OrganizationId | None = None
    app_id: AppId | None = None
    email: str = ""
    action: str = ""
    app_name: str = ""
    since: datetime | None = None
    until: datetime | None = None
    hidden: frozenset[AuditAction] = frozenset()


# They say what is in a wallet, or was.
OF_WALLETS = frozenset({AuditAction.WALLET_CREDIT, AuditAction.WALLET_BILL})

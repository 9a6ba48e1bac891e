"""What the audit log's actions are called on pages."""

from collections.abc import Mapping, Sequence
from typing import Any

from skypanel.domain.audit import AuditAction

# Those that concern an app; with the others that concern an organization; all.
OF_APPS: Mapping[str, str] = {
    AuditAction.APP_CREATE: "Created the app",
    AuditAction.APP_PUSH: "Pushed",
    AuditAction.BUILD_REQUEST: "Requested a build",
    AuditAction.BUILD_CANCEL: "Cancelled a build",
    AuditAction.UPLOAD_OFFER: "Began an upload",
    AuditAction.UPLOAD_TAKE: "Uploaded an archive",
    AuditAction.RELEASE_ROLLBACK: "Rolled back",
    AuditAction.RELEASE_REDEPLOY: "Deployed a release again",
    AuditAction.RELEASE_CANCEL: "Cancelled a release",
    AuditAction.CONFIG_CHANGE: "Changed config vars",
    AuditAction.APP_PLAN: "Moved to another plan",
    AuditAction.APP_SCALE: "Scaled dynos",
    AuditAction.APP_RESTART: "Restarted dynos",
    AuditAction.DYNO_RUN: "Ran a one-off dyno",
    AuditAction.DYNO_STOP: "Stopped dynos",
    AuditAction.APP_MAINTENANCE: "Changed maintenance mode",
    AuditAction.APP_HEALTH: "Changed the health check",
    AuditAction.APP_HTTP: "Changed how requests are served",
    AuditAction.APP_BRANCH: "Changed the deploy branch",
    AuditAction.APP_BUILDPACKS: "Changed the buildpacks",
    AuditAction.CERTIFICATE_ISSUE: "Received a certificate",
    AuditAction.CERTIFICATE_ADD: "Uploaded a certificate",
    AuditAction.CERTIFICATE_CHANGE: "Replaced a certificate",
    AuditAction.CERTIFICATE_REMOVE: "Removed a certificate",
    AuditAction.CERTIFICATE_AUTOMATE: "Changed automatic certificates",
    AuditAction.CERTIFICATE_REFRESH: "Ordered certificates again",
    AuditAction.REMOTE_CHOOSE: "Set the git URL",
    AuditAction.REMOTE_CLEAR: "Cleared the git URL",
    AuditAction.DEPLOY_KEY_ADD: "Made a deploy key",
    AuditAction.DOMAIN_ADD: "Added a domain",
    AuditAction.DOMAIN_CHECK: "Checked a domain",
    AuditAction.DOMAIN_VERIFY: "Proved a domain",
    AuditAction.DOMAIN_RELEASE: "Lost a domain",
    AuditAction.DOMAIN_REMOVE: "Removed a domain",
    AuditAction.LOG_DRAIN_ADD: "Added a log drain",
    AuditAction.LOG_DRAIN_REMOVE: "Removed a log drain",
    AuditAction.WEBHOOK_ADD: "Added a webhook",
    AuditAction.WEBHOOK_CHANGE: "Changed a webhook",
    AuditAction.WEBHOOK_REMOVE: "Removed a webhook",
    AuditAction.COLLABORATOR_ADD: "Gave access to a collaborator",
    AuditAction.COLLABORATOR_REMOVE: "Removed a collaborator",
    AuditAction.APP_RENAME: "Renamed the app",
    AuditAction.APP_OFFER: "Offered the app",
    AuditAction.APP_WITHDRAW: "Withdrew an offer",
    AuditAction.APP_DECLINE: "Declined an offer",
    AuditAction.APP_TRANSFER: "Transferred the app",
    AuditAction.APP_DESTROY: "Destroyed the app",
}
OF_ORGANIZATIONS: Mapping[str, str] = {
    **OF_APPS,
    AuditAction.MEMBER_ADD: "Added a member",
    AuditAction.MEMBER_CHANGE: "Changed a member's role",
    AuditAction.MEMBER_REMOVE: "Removed a member",
    AuditAction.ACCOUNT_INVITE: "Sent an invitation again",
    AuditAction.ORGANIZATION_CREATE: "Created the organization",
    AuditAction.ORGANIZATION_RENAME: "Renamed the organization",
    AuditAction.ORGANIZATION_SUSPEND: "Suspended the apps",
    AuditAction.ORGANIZATION_RESUME: "Resumed the apps",
    AuditAction.ALERT_RESOLVE: "Resolved an alert",
    AuditAction.ALERT_SILENCE: "Silenced an alert",
    AuditAction.ALERT_DESTINATION_ADD: "Added a destination of alerts",
    AuditAction.ALERT_DESTINATION_CHANGE: "Changed a destination of alerts",
    AuditAction.ALERT_DESTINATION_TEST: "Tested a destination of alerts",
    AuditAction.ALERT_DESTINATION_REMOVE: "Removed a destination of alerts",
    AuditAction.WALLET_CREDIT: "Changed the balance",
    AuditAction.WALLET_BILL: "Changed whether it pays",
}
OF_PANEL: Mapping[str, str] = {
    **OF_ORGANIZATIONS,
    AuditAction.ACCESS_DENY: "Was refused",
    AuditAction.ACCOUNT_SIGN_IN: "Signed in",
    AuditAction.ACCOUNT_SIGN_IN_FAILED: "Failed to sign in",
    AuditAction.ACCOUNT_SIGN_OUT: "Signed out",
    AuditAction.ACCOUNT_LOCK: "Failed to sign in too often",
    AuditAction.ACCOUNT_END_SESSIONS: "Ended other sessions",
    AuditAction.ACCOUNT_CHANGE_ADDRESS: "Changed an address",
    AuditAction.ACCOUNT_SET_PASSWORD: "Set a password",
    AuditAction.ACCOUNT_FORGET_PASSWORD: "Asked for a new password",
    AuditAction.ACCOUNT_RESET: "Reset an account",
    AuditAction.ACCOUNT_DISABLE: "Disabled an account",
    AuditAction.ACCOUNT_ENABLE: "Enabled an account",
    AuditAction.ACCOUNT_PROMOTE: "Made an administrator",
    AuditAction.ACCOUNT_DEMOTE: "Removed an administrator",
    AuditAction.TWO_FACTOR_ENABLE: "Turned two-factor on",
    AuditAction.TWO_FACTOR_DISABLE: "Turned two-factor off",
    AuditAction.TWO_FACTOR_CODES: "Made new recovery codes",
    AuditAction.PASSKEY_ADD: "Added a passkey",
    AuditAction.PASSKEY_REMOVE: "Removed a passkey",
    AuditAction.KEY_ADD: "Added an SSH key",
    AuditAction.KEY_REMOVE: "Removed an SSH key",
    AuditAction.TOKEN_ADD: "Made an API token",
    AuditAction.TOKEN_REVOKE: "Revoked an API token",
    AuditAction.NODE_ADD: "Added a node",
    AuditAction.NODE_PROVISION: "Set up a node",
    AuditAction.NODE_ACTIVATE: "Activated a node",
    AuditAction.NODE_DRAIN: "Drained a node",
    AuditAction.NODE_REMOVE: "Removed a node",
    AuditAction.ORGANIZATION_DELETE: "Deleted an organization",
    AuditAction.PLAN_CREATE: "Created a plan",
    AuditAction.PLAN_CHANGE: "Changed a plan",
    AuditAction.PLAN_RETIRE: "Retired a plan",
    AuditAction.PLAN_RESTORE: "Restored a plan",
    AuditAction.PLAN_DELETE: "Deleted a plan",
    AuditAction.SETTINGS_CHANGE: "Changed a setting",
    AuditAction.STORAGE_FORGET: "Forgot an old storage",
}


def words(action: str) -> str:
    """Return what an action is called: in words, or by its own name if it has none."""
    return OF_PANEL.get(action, action)


def described(details: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
    """Return an entry's details as pairs of texts, without those that say nothing."""
    return [(key.replace("_", " "), _text(value)) for key, value in details.items() if value not in (None, "", [], {})]


def _text(value: Any) -> str:  # noqa: ANN401 - any JSON value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_text(each)}" for key, each in value.items())
    return ", ".join(map(_text, value)) if isinstance(value, list) else str(value)

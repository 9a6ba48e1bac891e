"""The tabs of the dashboard's places, as pairs of URL and label. A tab is here only if it has a page."""

from collections.abc import Collection

from skypanel.domain.access import Action, Role, allows
from skypanel.domain.account import Organization

ACCOUNT_TABS = (
    ("/account", "Account"),
    ("/account/keys", "SSH keys"),
    ("/account/tokens", "API tokens"),
    ("/account/security", "Security"),
    ("/account/sessions", "Sessions"),
    ("/account/notifications", "Notifications"),
)
APP_TABS = (
    ("", "Overview"),
    ("/deploys", "Deploys"),
    ("/environment", "Environment"),
    ("/logs", "Logs"),
    ("/domains", "Domains"),
    ("/metrics", "Metrics"),
    ("/console", "Console"),
    ("/access", "Access"),
    ("/activity", "Activity"),
    ("/settings", "Settings"),
)
ADMIN_TABS = (
    ("/admin", "Overview"),
    ("/admin/people", "People"),
    ("/admin/organizations", "Organizations"),
    ("/admin/plans", "Plans"),
    ("/admin/billing", "Billing"),
    ("/admin/settings", "Settings"),
    ("/admin/nodes", "Nodes"),
    ("/admin/queue", "Queue"),
    ("/admin/alerts", "Alerts"),
    ("/admin/audit", "Audit log"),
    ("/admin/health", "Health"),
)
ORGANIZATION_TABS = (
    ("", "Overview", Action.VIEW_MEMBERS),
    ("/people", "People", Action.VIEW_MEMBERS),
    ("/usage", "Usage", Action.VIEW_MEMBERS),
    ("/billing", "Billing", Action.VIEW_WALLET),
    ("/alerts", "Alerts", Action.VIEW_MEMBERS),
    ("/activity", "Activity", Action.VIEW_ACTIVITY),
    ("/settings", "Settings", Action.VIEW_MEMBERS),
)


def app_tabs(name: str, hidden: Collection[str] = ()) -> tuple[tuple[str, str], ...]:
    """Return the tabs of an app's pages, without those whose labels are hidden."""
    return tuple((f"/apps/{name}{path}", label) for path, label in APP_TABS if label not in hidden)


def account_tabs() -> tuple[tuple[str, str], ...]:
    """Return the tabs of the account's pages."""
    return ACCOUNT_TABS


def admin_tabs() -> tuple[tuple[str, str], ...]:
    """Return the tabs of the administrators' pages."""
    return ADMIN_TABS


def organization_url(organization: Organization) -> str:
    """Return where an organization's overview is."""
    return f"/organizations/{organization.id}"


def organization_tabs(organization: Organization, role: Role) -> tuple[tuple[str, str], ...]:
    """Return the tabs of an organization's pages that a role may open."""
    return tuple((f"{organization_url(organization)}{path}", label) for path, label, needs in ORGANIZATION_TABS if allows(role, needs))

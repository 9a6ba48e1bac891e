"""The tabs of the dashboard's places, as pairs of URL and label. A tab is here only if it has a page."""

from skypanel.domain.account import Organization

ACCOUNT_TABS = (
    ("/account", "Account"),
    ("/account/keys", "SSH keys"),
    ("/account/tokens", "API tokens"),
    ("/account/security", "Security"),
    ("/account/sessions", "Sessions"),
)
ADMIN_TABS = (
    ("/admin", "Overview"),
    ("/admin/people", "People"),
    ("/admin/organizations", "Organizations"),
    ("/admin/plans", "Plans"),
    ("/admin/settings", "Settings"),
    ("/admin/nodes", "Nodes"),
    ("/admin/queue", "Queue"),
    ("/admin/alerts", "Alerts"),
)


def account_tabs() -> tuple[tuple[str, str], ...]:
    """Return the tabs of the account's pages."""
    return ACCOUNT_TABS


def admin_tabs() -> tuple[tuple[str, str], ...]:
    """Return the tabs of the administrators' pages."""
    return ADMIN_TABS


def organization_url(_organization: Organization) -> str:
    """Return where the sidebar's link to an organization leads."""
    return "/billing"

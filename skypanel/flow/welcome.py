"""The first steps of a new account: a way to push, an app, and its first release."""

from dataclasses import dataclass

from skypanel.domain.account import Account
from skypanel.domain.app import App
from skypanel.flow import accounts
from skypanel.flow.digest import digest
from skypanel.ports.panel import Panel
from skypanel.store import accounts as stored_accounts
from skypanel.store import apps as stored_apps
from skypanel.store import glances, sign_ins


@dataclass(frozen=True)
class Steps:
    """How far an account has come: whether it can push, its app, and whether that is being deployed or is live."""

    can_push: bool
    app: App | None
    url: str | None
    is_deploying: bool

    @property
    def is_live(self) -> bool:
        """Whether the app has a release."""
        return self.app is not None and self.app.current_release_id is not None


async def steps(panel: Panel, account: Account) -> Steps:
    """Return how far an account has come. Of several apps, one that is live counts, else the first by name."""
    can_push = bool(await accounts.keys_of(panel, account) or await accounts.tokens_of(panel, account))
    async with panel.autocommit() as conn:
        seen = await glances.of(conn, account.id)
        shown = next((each for each in seen if each.has_release), seen[0] if seen else None)
        app = await stored_apps.by_name(conn, shown.name) if shown else None
    if shown is None or app is None:
        return Steps(can_push, None, None, is_deploying=False)
    return Steps(can_push, app, panel.address.url(app.name), shown.is_deploying)


async def is_new(panel: Panel, session: str) -> bool:
    """Whether the account of a session has neither a password, an SSH key nor an API token yet."""
    async with panel.autocommit() as conn:
        account = await sign_ins.session(conn, digest(session))
        entry = await stored_accounts.entry(conn, account.id) if account else None
    return entry is not None and not entry.has_password and entry.keys + entry.tokens == 0

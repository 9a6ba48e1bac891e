"""An app's config vars as its page shows them, and changes of many at once. Values are write-only: nothing here returns one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from skypanel.domain import dotenv
from skypanel.domain.access import Action, allows
from skypanel.domain.account import Account
from skypanel.domain.app import App
from skypanel.domain.config_vars import ConfigChange, warning
from skypanel.domain.dotenv import Problem
from skypanel.domain.errors import Invalid
from skypanel.domain.paging import Part, part
from skypanel.domain.release import Rollout
from skypanel.flow import config
from skypanel.ports.panel import Panel
from skypanel.store import collaborators, config_history, config_vars

CHANGES = 50


@dataclass(frozen=True)
class ConfigVar:
    """A config var without its value: when and by whom it was set, and a warning about its name.

    `fingerprint` is equal for equal values of all apps. It is None for accounts that may not set config vars.
    """

    key: str
    set_at: datetime | None
    email: str | None
    fingerprint: str | None
    warning: str | None


@dataclass(frozen=True)
class Environment:
    """A page of an app's config vars in order, and a page of their changes, newest first.

    `older` and `newer` are the numbers of changes where the pages before and after this one begin.
    """

    variables: Part[ConfigVar]
    changes: Sequence[ConfigChange]
    older: int | None
    newer: int | None
    may_change: bool


@dataclass(frozen=True)
class Preview:
    """What saving a .env file would do, by keys, and what cannot be read of it."""

    added: Sequence[str]
    changed: Sequence[str]
    same: Sequence[str]
    problems: Sequence[Problem]


async def read(
    panel: Panel, app: App, account: Account, *, number: int = 1, below: int | None = None, above: int | None = None
) -> Environment:
    """Return a page of an app's config vars by its number; the account must be allowed to see the app.

    `below` and `above` choose a page of changes.
    """
    async with panel.autocommit() as conn:
        may_change = allows(await collaborators.role(conn, app, account.id), Action.CONFIGURE_APP)
        head = await config_vars.head(conn, app.id)
        origins = await config_history.origins(conn, app.id)
        found = await config_history.page(conn, app.id, CHANGES + 1, below=below, above=above)
    variables, shown = [], part(sorted(head.secrets), number)
    for key in shown.items:
        origin = origins.get(key)
        # Who may set a value could guess another by its fingerprint, so others do not see it.
        mark = panel.cipher.fingerprint(panel.cipher.decrypt(head.secrets[key])) if may_change else None
        variables.append(ConfigVar(key, origin.at if origin else None, origin.email if origin else None, mark, warning(key)))
    changes = found[1:] if above is not None and len(found) > CHANGES else found[:CHANGES]
    has_older = above is not None or len(found) > CHANGES
    has_newer = len(found) > CHANGES if above is not None else below is not None
    return Environment(
        Part(variables, shown.number, shown.total),
        changes,
        older=changes[-1].number if changes and has_older else None,
        newer=changes[0].number if changes and has_newer else None,
        may_change=may_change,
    )


async def preview(panel: Panel, app: App, text: str) -> Preview:
    """Return what `paste` would change."""
    parsed = dotenv.parse(text)
    async with panel.autocommit() as conn:
        secrets = (await config_vars.head(conn, app.id)).secrets
    known = {key: panel.cipher.decrypt(secrets[key]) for key in parsed.values.keys() & secrets.keys()}
    keys = sorted(parsed.values)
    return Preview(
        added=[key for key in keys if key not in known],
        changed=[key for key in keys if key in known and known[key] != parsed.values[key]],
        same=[key for key in keys if key in known and known[key] == parsed.values[key]],
        problems=parsed.problems,
    )


async def paste(panel: Panel, app: App, text: str, by: Account) -> Rollout | None:
    """Set all config vars of a .env file as one change. Other keys stay.

    Raises Invalid if a line cannot be read or nothing is set, and as `config.change`. An error changes nothing.
    """
    parsed = dotenv.parse(text)
    if parsed.problems:
        raise Invalid(f"The text cannot be read. {parsed.problems[0]}", "Nothing is saved: correct it and try again.")
    if not parsed.values:
        raise Invalid("The text sets no config var.", "Write one on each line: KEY=value")
    return await config.change(panel, app, parsed.values, by)


async def remove(panel: Panel, app: App, keys: Sequence[str], by: Account) -> Rollout | None:
    """Unset config vars as one change. Raises Invalid if there are none, NotFound for a missing key, and as `config.change`."""
    if not keys:
        raise Invalid("No config var is chosen.", "Mark those to remove.")
    return await config.change(panel, app, dict.fromkeys(keys), by)

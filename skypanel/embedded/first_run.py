"""What a start does inside the database: the schema, at the first time the admin and what belongs to them, a login link.

`python -m skypanel.embedded.first_run`, as the panel's user, reads the caller's public keys from stdin, which are
not the panel user's to read, and writes a Welcome to stdout.
"""

import asyncio
import os
import sys
from collections.abc import Sequence

from skypanel import settings
from skypanel.bootstrap import open_panel
from skypanel.domain.account import PublicKey
from skypanel.domain.errors import SkyPanelError
from skypanel.embedded.database import make_database
from skypanel.embedded.welcome import Welcome, keys_from_json
from skypanel.flow.accounts import login_link
from skypanel.flow.setup import initialize
from skypanel.settings import Settings
from skypanel.store import migrate


async def _enter(loaded: Settings, keys: Sequence[PublicKey]) -> Welcome:
    async with open_panel(loaded) as panel:
        first = await initialize(panel, keys)
        return Welcome(first.keys, await login_link(panel, first.admin), first.token)


def main() -> None:
    """Do it all; an error is its sentence on stderr."""
    keys = keys_from_json(sys.stdin.read())
    try:
        loaded = settings.load(os.environ)
        asyncio.run(make_database(loaded))
        migrate.upgrade(loaded.database_dsn)
        welcome = asyncio.run(_enter(loaded, keys))
    except SkyPanelError as error:
        sys.exit(str(error))
    sys.stdout.write(welcome.to_json())


if __name__ == "__main__":
    main()

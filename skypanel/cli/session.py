"""Opens this machine's panel for commands, as the panel's user and on behalf of its admin."""

import asyncio
import os
import pwd
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from skypanel.bootstrap import open_panel
from skypanel.domain.account import Account
from skypanel.flow import audit, people
from skypanel.ports.panel import Panel
from skypanel.settings import sources

T = TypeVar("T")


def run(action: Callable[[Panel, Account], Awaitable[T]]) -> T:
    """Run `action` with the open panel and its admin, and return its result. Raises Unavailable if there is no panel."""
    return asyncio.run(_run(action))


async def _run(action: Callable[[Panel, Account], Awaitable[T]]) -> T:
    async with panel() as opened:
        admin = await people.first_admin(opened)
        audit.ORIGIN.set("cli")
        async with audit.denials(opened, admin, "skypanel " + " ".join(sys.argv[1:2])):
            return await action(opened, admin)


@asynccontextmanager
async def panel() -> AsyncIterator[Panel]:
    """Open the panel of SKYPANEL_HOME. As root, drop privileges first, so that new files belong to the panel's user."""
    loaded = sources.load(os.environ)
    become(loaded.panel_uid, loaded.panel_gid)
    async with open_panel(loaded) as opened:
        yield opened


def become(uid: int, gid: int) -> None:
    """Switch from root to the panel's user for the rest of this process."""
    if os.geteuid() == 0 and uid != 0:
        os.initgroups(pwd.getpwuid(uid).pw_name, gid)
        os.setgid(gid)
        os.setuid(uid)

"""Staging on other nodes: their agents fetch slugs, and a rollout waits for them."""

import asyncio

from skypanel.domain.app import App
from skypanel.domain.errors import Unavailable
from skypanel.ports.database import Database
from skypanel.store import nodes

POLL_S = 0.2
STAGE_S = 300.0


async def stage_elsewhere(database: Database, app: App, digest: str, timeout_s: float = STAGE_S) -> None:
    """Return once every active node, if any, has staged a slug.

    A node that is lost meanwhile stops counting once it becomes inactive. Raises Unavailable if a node cannot stage the slug, or has not
    done so after `timeout_s`.
    """
    deadline = asyncio.get_running_loop().time() + timeout_s
    while True:
        async with database.autocommit() as conn:
            lacking = await nodes.lacking(conn, digest)
        if not lacking:
            return
        for node in lacking:
            why = (node.report.failures or {}).get(digest) if node.report else None
            if why:
                raise Unavailable(
                    f"The node {node.name} cannot load the slug of {app.name}: {why}.",
                    "Fix the problem or drain the node, then push again.",
                )
        if asyncio.get_running_loop().time() > deadline:
            names = ", ".join(node.name for node in lacking)
            raise Unavailable(
                f"The slug of {app.name} did not reach {names} within {timeout_s:g} s.", "Check the node or drain it, then push again."
            )
        await asyncio.sleep(POLL_S)

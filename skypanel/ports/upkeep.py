"""Periodic maintenance of an engine."""

from collections.abc import Collection
from typing import Protocol

from skypanel.domain.ids import AppId, OrganizationId


class Upkeep(Protocol):
    """The periodic maintenance that an engine needs."""

    async def remove_orphans(self, apps: Collection[AppId], organizations: Collection[OrganizationId]) -> None:
        """Create the engine's own parts if they are missing, and remove orphans.

        Orphans are leftovers of killed workers, and of apps and organizations that are not in the arguments. Young parts stay, because a
        new app may own them. Idempotent. Raises Unavailable.
        """
        ...

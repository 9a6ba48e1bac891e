"""What is done now and then."""

from collections.abc import Collection
from typing import Protocol

from skypanel.domain.ids import AppId, OrganizationId


class Upkeep(Protocol):
    """What an engine needs done now and then."""

    async def remove_orphans(self, apps: Collection[AppId], organizations: Collection[OrganizationId]) -> None:
        """Have the engine's own parts in place, and remove what was left: of killed workers, and of apps and organizations but these.

        What is young is left alone, as it may belong to what was made just now. May be repeated. Raises Unavailable.
        """
        ...

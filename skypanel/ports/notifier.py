"""Services that show messages to people, such as Slack, Discord or Telegram."""

from collections.abc import Sequence
from typing import Protocol

from skypanel.domain.alert import Message
from skypanel.domain.internet import Network

SEND_S = 20.0


class Notifier(Protocol):
    async def check(self, url: str) -> str:
        """Return the name of the service that a URL of Apprise leads to. Connects to nothing. Raises Invalid and Unavailable."""
        ...

    async def send(self, url: str, message: Message, networks: Sequence[Network]) -> None:
        """Send a message, within SEND_S seconds. Raises Denied where the URL leads to an address that is neither public nor in `networks`.

        Raises Invalid too, and Unavailable, which says why the service did not take it. No error shows the URL.
        """
        ...

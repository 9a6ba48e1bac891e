"""A network without root. One slirp4netns connects the launcher's own network namespace, and all sandboxes through it."""

import asyncio
import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from skypanel.host import firewall
from skypanel.host.commands import CommandFailed, call
from skypanel.host.firewall import AddressPlan, ForwardingInterface
from skypanel.launcher.counter import Counter
from skypanel.launcher.network import Network

# The default addresses of slirp4netns.
FORWARDING = ForwardingInterface("tap0", "10.0.2.100")
RESOLVER = "10.0.2.3"

_FIRST_PORT = 20_000
_PORTS = 40_000
_ATTEMPTS = 50


class SlirpNetwork(Network):
    """The same network inside a namespace. Ports of the host's loopback interface lead into it."""

    forwarding = FORWARDING

    def __init__(self, plan: AddressPlan, slots: Counter, api: Path) -> None:
        super().__init__(plan, slots)
        self._api = api
        self._published: dict[int, tuple[int, int]] = {}
        self._asking = asyncio.Lock()

    async def publish(self, slot: int, port: int) -> str:
        """Forward a free loopback port of the host to a sandbox's port, and return its address. Raises CommandFailed."""
        for _ in range(_ATTEMPTS):
            host_port = _FIRST_PORT + secrets.randbelow(_PORTS)
            answer = await self._ask(
                "add_hostfwd", proto="tcp", host_addr="127.0.0.1", host_port=host_port, guest_addr=FORWARDING.address, guest_port=host_port
            )
            if "return" in answer:
                self._published[slot] = (host_port, answer["return"]["id"])
                await call(("nft", "-f", "-"), firewall.add_port_forward(self.plan, host_port, slot, port))
                return f"127.0.0.1:{host_port}"
        raise CommandFailed("slirp4netns found no free port.")

    async def unpublish(self, slot: int) -> None:
        """Close the forwarded port of a sandbox. Raises CommandFailed."""
        if slot in self._published:
            host_port, number = self._published.pop(slot)
            await self._ask("remove_hostfwd", id=number)
            await call(("nft", "-f", "-"), firewall.remove_port_forward(self.plan, host_port))

    async def _ask(self, order: str, **arguments: str | int) -> Mapping[str, Any]:
        """Send a command to slirp4netns and return its answer. Raises CommandFailed.

        It takes one command per connection and one connection at a time (slirp4netns(1), "API socket").
        """
        async with self._asking:
            try:
                reader, writer = await asyncio.open_unix_connection(self._api)
                try:
                    writer.write(json.dumps({"execute": order, "arguments": arguments}).encode())
                    answer: Mapping[str, Any] = json.loads(await reader.read())
                finally:
                    writer.close()
            except (OSError, ValueError) as error:
                raise CommandFailed(f"slirp4netns did not answer: {error}") from error
        return answer

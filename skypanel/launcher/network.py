"""Networks for sandboxes: a cable to the host for each, and rules for what passes."""

# ruff: noqa: ASYNC240 - moments on local file systems

import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from skypanel.host import blackhole, firewall
from skypanel.host.allowed import Allowed
from skypanel.host.commands import CommandFailed, call
from skypanel.host.firewall import Entrance, Link, Plan
from skypanel.launcher.counter import Counter

IP_FORWARD = Path("/proc/sys/net/ipv4/ip_forward")
ROUTES = Path("/proc/net/route")
_DEFAULT_MTU = 1500
_IPTABLES = ("iptables", "--wait")
# The second comes when the device goes between ip's two questions.
_GONE = ("Cannot find device", "No such device")


class Network:
    """The addresses of one launcher. A slot is kept by who took it, so that a dyno's endpoint outlives its restarts."""

    entrance: Entrance | None = None

    def __init__(self, plan: Plan, slots: Counter) -> None:
        self.plan = plan
        self._slots = slots
        self._taken: set[int] = set()

    async def open(self, resolvers: Sequence[str], allowed: Sequence[Allowed], host_addresses: Sequence[str] = ()) -> None:
        """Put the rules in force. Raises CommandFailed."""
        await blackhole.hold(self.plan)
        IP_FORWARD.write_text("1")
        await call(("nft", "-f", "-"), firewall.ruleset(self.plan, resolvers, allowed, host_addresses, self.entrance))

        await self._remove_forward_rules()
        if await _forwards_nothing():
            for rule in firewall.forward_rules(self.plan):
                await call((*_IPTABLES, "-I", *rule))

    async def _remove_forward_rules(self) -> None:
        """Take our rules out of iptables, however many there are of them."""
        for rule in firewall.forward_rules(self.plan):
            with suppress(CommandFailed):
                while True:
                    await call((*_IPTABLES, "-D", *rule))

    def take(self) -> int:
        """Return a free slot; the one that was free the longest, so that no route leads to a stranger. Raises CommandFailed."""
        for _ in range(self.plan.slots):
            if (slot := self._slots.take()) not in self._taken:
                self._taken.add(slot)
                return slot
        raise CommandFailed(f"All {self.plan.slots} addresses of {self.plan.subnet} are in use.")

    def give_back(self, slot: int) -> None:
        """Free a slot."""
        self._taken.discard(slot)

    def link(self, slot: int) -> Link:
        """Return the addresses of a slot."""
        return self.plan.link(slot)

    async def publish(self, slot: int, port: int) -> str:
        """Return where the host reaches a port of a sandbox. Raises CommandFailed."""
        return f"{self.link(slot).sandbox}:{port}"

    async def unpublish(self, slot: int) -> None:
        """Take back what `publish` did: nothing, as the host has a cable to each sandbox."""

    async def attach(self, slot: int, pid: int) -> None:
        """Connect the network namespace of a process. Raises CommandFailed."""
        link = self.link(slot)
        await call(("ip", "-batch", "-"), firewall.host_batch(link, pid, uplink_mtu()))
        await call(("nsenter", f"--net=/proc/{pid}/ns/net", "ip", "-batch", "-"), firewall.sandbox_batch(link))

    async def detach(self, slot: int) -> None:
        """Remove the cable; it goes by itself with the namespace, but not at once."""
        await _delete_link(self.link(slot).name)

    async def clear_links(self) -> None:
        """Remove every cable that carries this launcher's prefix."""
        pattern = re.compile(rf"^\d+: ({self.plan.prefix}[0-9a-f]+)[@:]", re.MULTILINE)
        for name in pattern.findall(await call(("ip", "-o", "link", "show"))):
            await _delete_link(name)

    async def close(self) -> None:
        """Remove all cables and the rules, but for what keeps stray packets here."""
        await self.clear_links()
        await self._remove_forward_rules()
        await call(("nft", "-f", "-"), firewall.drop_table(self.plan.tag))


async def _forwards_nothing() -> bool:
    """Whether somebody else's firewall, such as Docker's or ufw's, drops what it does not know."""
    try:
        return "-P FORWARD DROP" in await call((*_IPTABLES, "-S", "FORWARD"))
    except CommandFailed:
        return False


async def _delete_link(name: str) -> None:
    try:
        await call(("ip", "link", "delete", "dev", name))
    except CommandFailed as error:
        if not any(gone in str(error) for gone in _GONE):
            raise


def uplink_mtu() -> int:
    """Return the packet size of the interface that leads out."""
    device = firewall.default_device(ROUTES.read_text())
    path = Path("/sys/class/net", device or "none", "mtu")
    return int(path.read_text()) if path.exists() else _DEFAULT_MTU

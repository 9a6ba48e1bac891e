"""Networks of sandboxes: a virtual cable (veth) from each to the host, and rules for packets."""

# ruff: noqa: ASYNC240 - short calls on local file systems

import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from skypanel.host import blackhole, firewall
from skypanel.host.allowed import Allowed
from skypanel.host.commands import CommandFailed, call
from skypanel.host.firewall import AddressPlan, ForwardingInterface, Link
from skypanel.launcher.counter import Counter

IP_FORWARD = Path("/proc/sys/net/ipv4/ip_forward")
ROUTES = Path("/proc/net/route")
_DEFAULT_MTU = 1500
_IPTABLES = ("iptables", "--wait")
# ip reports the second if the device vanishes between its two requests to the kernel.
_GONE = ("Cannot find device", "No such device")


class Network:
    """The addresses of one launcher. A dyno keeps its slot, so its endpoint stays the same after a restart."""

    forwarding: ForwardingInterface | None = None

    def __init__(self, plan: AddressPlan, slots: Counter) -> None:
        self.plan = plan
        self._slots = slots
        self._taken: set[int] = set()

    async def open(self, resolvers: Sequence[str], allowed: Sequence[Allowed], host_addresses: Sequence[str] = ()) -> None:
        """Apply the firewall rules and routes. Raises CommandFailed."""
        await blackhole.hold(self.plan)
        IP_FORWARD.write_text("1")
        await call(("nft", "-f", "-"), firewall.ruleset(self.plan, resolvers, allowed, host_addresses, self.forwarding))

        await self._remove_forward_rules()
        if await _drops_forwarded():
            for rule in firewall.forward_rules(self.plan):
                await call((*_IPTABLES, "-I", *rule))

    async def _remove_forward_rules(self) -> None:
        """Remove our rules from iptables, including duplicates."""
        for rule in firewall.forward_rules(self.plan):
            with suppress(CommandFailed):
                while True:
                    await call((*_IPTABLES, "-D", *rule))

    def take(self) -> int:
        """Return the free slot that was freed first, so that an old route leads to no other app's dyno.

        Raises CommandFailed if all are in use.
        """
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
        """Return the address at which the host reaches a port of a sandbox. Raises CommandFailed."""
        return f"{self.link(slot).sandbox}:{port}"

    async def unpublish(self, slot: int) -> None:
        """Undo `publish`. There is nothing to undo, as the host has a cable to each sandbox."""

    async def attach(self, slot: int, pid: int) -> None:
        """Connect the network namespace of process `pid`. Raises CommandFailed."""
        link = self.link(slot)
        await call(("ip", "-batch", "-"), firewall.host_batch(link, pid, uplink_mtu()))
        await call(("nsenter", f"--net=/proc/{pid}/ns/net", "ip", "-batch", "-"), firewall.sandbox_batch(link))

    async def detach(self, slot: int) -> None:
        """Remove the cable. The kernel removes it with the namespace too, but later."""
        await _delete_link(self.link(slot).name)

    async def clear_links(self) -> None:
        """Remove every cable with this launcher's prefix."""
        pattern = re.compile(rf"^\d+: ({self.plan.prefix}[0-9a-f]+)[@:]", re.MULTILINE)
        for name in pattern.findall(await call(("ip", "-o", "link", "show"))):
            await _delete_link(name)

    async def close(self) -> None:
        """Remove all cables and rules. The blackhole route stays."""
        await self.clear_links()
        await self._remove_forward_rules()
        await call(("nft", "-f", "-"), firewall.drop_table(self.plan.tag))


async def _drops_forwarded() -> bool:
    """Whether another firewall, such as Docker's or ufw's, drops forwarded packets by default."""
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
    """Return the MTU of the interface of the default route, or 1500."""
    device = firewall.default_device(ROUTES.read_text())
    path = Path("/sys/class/net", device or "none", "mtu")
    return int(path.read_text()) if path.exists() else _DEFAULT_MTU

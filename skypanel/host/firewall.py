"""The addresses and packet rules of sandboxes, as input for ip and nft. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from skypanel.host import tracking
from skypanel.host.allowed import Allowed

# Special-purpose addresses (IANA's registry, RFC 6890) that are not on the public internet.
PRIVATE = (
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "224.0.0.0/4",
    "240.0.0.0/4",
)
_LINK_SIZE = 4


@dataclass(frozen=True)
class Link:
    """The two ends of one sandbox's cable, in the smallest network that holds two hosts (/30)."""

    name: str
    host: IPv4Address
    sandbox: IPv4Address


@dataclass(frozen=True)
class AddressPlan:
    """The addresses of one launcher: its subnet, divided into links."""

    tag: str
    subnet: IPv4Network

    @property
    def prefix(self) -> str:
        """The prefix of this launcher's interface names. The kernel allows names of 15 characters."""
        return f"sk{self.tag[:6]}x"

    @property
    def slots(self) -> int:
        """How many sandboxes can have a network at the same time."""
        return self.subnet.num_addresses // _LINK_SIZE

    def link(self, slot: int) -> Link:
        """Return the link of a slot."""
        first = self.subnet.network_address + slot * _LINK_SIZE
        return Link(f"{self.prefix}{slot:x}", first + 1, first + 2)


@dataclass(frozen=True)
class ForwardingInterface:
    """The interface of a user-mode network at which forwarded connections of the host arrive."""

    device: str
    address: str


def table_name(tag: str) -> str:
    """Return the name of a launcher's nft table."""
    return f"skypanel_{tag}"


def ruleset(
    plan: AddressPlan,
    resolvers: Sequence[str],
    allowed: Sequence[Allowed],
    host_addresses: Sequence[str] = (),
    forwarding: ForwardingInterface | None = None,
) -> str:
    """Return the nft script that replaces a launcher's table.

    Sandboxes reach the public internet, the resolvers and what is allowed. Only the host reaches them.
    Other connections are refused, not dropped, so that programs fail at once instead of waiting for a timeout.
    """
    name, ports = table_name(plan.tag), f'"{plan.prefix}*"'
    exceptions = _exceptions(resolvers, allowed)
    blocked = ", ".join((*PRIVATE, *host_addresses))
    return f"""\
{drop_table(plan.tag)}table inet {name} {{
{tracking.CHAINS}  set blocked {{
    type ipv4_addr
    flags interval
    auto-merge
    elements = {{ {blocked} }}
  }}
  chain exceptions {{
    {_lines(exceptions)}
  }}
  chain input {{
    type filter hook input priority -10; policy accept;
    iifname != {ports} accept
    ct state established,related accept
    jump bounded
    ip saddr {plan.subnet} jump exceptions
    goto refuse
  }}
  chain forward {{
    type filter hook forward priority -10; policy accept;
    iifname != {ports} oifname != {ports} accept
    ct state established,related accept
    {f"iifname {forwarding.device} ct status dnat accept" if forwarding else ""}
    oifname {ports} drop
    ip saddr != {plan.subnet} drop
    meta nfproto ipv6 drop
    jump bounded
    jump exceptions
    ip daddr @blocked goto refuse
  }}
  chain postrouting {{
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr {plan.subnet} oifname != {ports} masquerade
  }}
{_forwarding(forwarding) if forwarding else ""}}}
"""


def own_ruleset(resolvers: Sequence[str], allowed: Sequence[Allowed], host_addresses: Sequence[str] = ()) -> str:
    """Return the nft script for a sandbox's own network namespace. The processes inside cannot change it.

    It lets out the same packets as `ruleset`, and lets in only answers.
    """
    blocked = ", ".join((*PRIVATE, *host_addresses))
    return f"""\
table inet skypanel {{
{tracking.CHAINS}  set blocked {{
    type ipv4_addr
    flags interval
    auto-merge
    elements = {{ {blocked} }}
  }}
  chain input {{
    type filter hook input priority 0; policy drop;
    iifname lo accept
    ct state established,related accept
  }}
  chain output {{
    type filter hook output priority 0; policy accept;
    oifname lo accept
    ct state established,related accept
    meta nfproto ipv6 goto refuse
    jump bounded
    {_lines(_exceptions(resolvers, allowed))}
    ip daddr @blocked goto refuse
  }}
}}
"""


def bridge_ruleset(tag: str, bridge: str, front: str, allowed: Sequence[Allowed], blocked: Sequence[str] = ()) -> str:
    """Return the nft script that replaces the table for containers that reach the network through a bridge of this machine.

    It lets out the same packets as `ruleset`, except to the public addresses in `blocked`. The caller adds the resolvers to
    the set of that name. The proxy is behind the bridge `front`. It may only send answers, so that a request to a dyno
    whose network is gone stays on the machine.
    """
    name, port, proxys = table_name(tag), f'"{bridge}"', f'"{front}"'
    return f"""\
{drop_table(tag)}table inet {name} {{
{tracking.CHAINS}  set blocked {{
    type ipv4_addr
    flags interval
    auto-merge
    elements = {{ {", ".join((*PRIVATE, *blocked))} }}
  }}
  set resolvers {{
    type ipv4_addr
  }}
  chain exceptions {{
    ip daddr @resolvers udp dport 53 accept
    ip daddr @resolvers tcp dport 53 accept
    {_lines(_exceptions((), allowed))}
  }}
  chain input {{
    type filter hook input priority -10; policy accept;
    iifname != {{ {port}, {proxys} }} accept
    ct state established,related accept
    jump bounded
    iifname {port} jump exceptions
    goto refuse
  }}
  chain forward {{
    type filter hook forward priority -10; policy accept;
    iifname != {{ {port}, {proxys} }} accept
    ct state established,related accept
    iifname {proxys} goto refuse
    oifname {port} drop
    meta nfproto ipv6 goto refuse
    jump bounded
    jump exceptions
    ip daddr @blocked goto refuse
  }}
}}
"""


def _exceptions(resolvers: Sequence[str], allowed: Sequence[Allowed]) -> list[str]:
    answering = [f"ip daddr {address} {protocol} dport 53 accept" for address in resolvers for protocol in ("udp", "tcp")]
    return answering + [rule for one in allowed for rule in _allow(one)]


def _forwarding(forwarding: ForwardingInterface) -> str:
    return f"""\
  map forwards {{
    type inet_service : ipv4_addr . inet_service
  }}
  chain prerouting {{
    type nat hook prerouting priority dstnat; policy accept;
    iifname {forwarding.device} ip daddr {forwarding.address} dnat ip to tcp dport map @forwards
  }}
"""


def add_port_forward(plan: AddressPlan, host_port: int, slot: int, port: int) -> str:
    """Return the nft command that forwards a port of that interface to a sandbox's port."""
    return f"add element inet {table_name(plan.tag)} forwards {{ {host_port} : {plan.link(slot).sandbox} . {port} }}\n"


def remove_port_forward(plan: AddressPlan, host_port: int) -> str:
    """Return the nft command that undoes `add_port_forward`."""
    return f"delete element inet {table_name(plan.tag)} forwards {{ {host_port} }}\n"


def _lines(rules: Sequence[str]) -> str:
    return "\n    ".join(rules)


def _allow(one: Allowed) -> tuple[str, ...]:
    if one.port is None:
        return (f"ip daddr {one.network} accept",)
    return tuple(f"ip daddr {one.network} {protocol} dport {one.port} accept" for protocol in ("tcp", "udp"))


def drop_table(tag: str) -> str:
    """Return the nft script that removes a launcher's table, whether it exists or not."""
    return f"table inet {table_name(tag)} {{}}\ndelete table inet {table_name(tag)}\n"


def host_batch(link: Link, pid: int, mtu: int) -> str:
    """Return the ip commands that connect the network namespace of process `pid` to the host."""
    return (
        f"link add name {link.name} mtu {mtu} type veth peer name eth0 mtu {mtu} netns {pid}\n"
        f"link set dev {link.name} addrgenmode none\n"
        f"addr add {link.host}/30 dev {link.name}\n"
        f"link set dev {link.name} up\n"
    )


def sandbox_batch(link: Link) -> str:
    """Return the ip commands for the sandbox's end of the cable."""
    return (
        "link set dev eth0 addrgenmode none\n"
        f"addr add {link.sandbox}/30 dev eth0\n"
        "link set dev eth0 up\n"
        f"route add default via {link.host}\n"
    )


def default_device(routes: str) -> str | None:
    """Return the interface of the default route in a /proc/net/route, or None."""
    for line in routes.splitlines()[1:]:
        device, destination, _, _, _, _, _, mask, *_ = line.split()
        if (destination, mask) == ("00000000", "00000000"):
            return device
    return None


def forward_rules(plan: AddressPlan) -> tuple[tuple[str, ...], ...]:
    """Return the iptables rules that let sandboxes' packets pass if others drop forwarded packets. Our own table filters them first."""
    return (("FORWARD", "-i", f"{plan.prefix}+", "-j", "ACCEPT"), ("FORWARD", "-o", f"{plan.prefix}+", "-j", "ACCEPT"))

"""The front door: how many connections one source address may hold open at the panel's public ports.

The rules are the kernel's, so that what is too much costs the proxy nothing. They hold from a launcher's start, whatever
becomes of it, until whoever ends the panel takes them back.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from skypanel.domain.proxies import Network
from skypanel.host.commands import call
from skypanel.host.firewall import drop_table

# How many addresses are counted at a time; it takes more of them than that to have those beyond it let in uncounted.
_MAX_ADDRESSES = 65535
CONNECTIONS_PER_ADDRESS = 1000


@dataclass(frozen=True)
class ConnectionLimit:
    """The public ports, how many connections of one address they take, and the networks of proxies, which are not counted."""

    ports: tuple[int, ...]
    connections_per_address: int
    trusted: tuple[Network, ...] = ()


def ruleset(tag: str, door: ConnectionLimit) -> str:
    """Return the nft script that replaces the table.

    An address of IPv6 is a /64, which is what one customer gets of a provider. Not counted is what begins on this machine, such as a
    local proxy's. A connection that has been closed counts no more.
    """
    excess = f"ct count over {door.connections_per_address} }} reject with tcp reset"
    return f"""\
{drop_table(_table(tag))}table inet skypanel_{_table(tag)} {{
  set trusted4 {{
    type ipv4_addr
    flags interval
    auto-merge
    {_elements(door.trusted, 4)}
  }}
  set trusted6 {{
    type ipv6_addr
    flags interval
    auto-merge
    {_elements(door.trusted, 6)}
  }}
  set open4 {{
    type ipv4_addr
    size {_MAX_ADDRESSES}
    flags dynamic
  }}
  set open6 {{
    type ipv6_addr
    size {_MAX_ADDRESSES}
    flags dynamic
  }}
  chain input {{
    type filter hook input priority -20; policy accept;
    iif lo accept
    tcp dport {{ {", ".join(map(str, door.ports))} }} ct state new jump bounded
  }}
  chain bounded {{
    ip saddr @trusted4 accept
    ip6 saddr @trusted6 accept
    meta nfproto ipv4 add @open4 {{ ip saddr {excess}
    meta nfproto ipv6 add @open6 {{ ip6 saddr & ffff:ffff:ffff:ffff:: {excess}
  }}
}}
"""


def _table(tag: str) -> str:
    return f"{tag}_door"


def _elements(networks: Iterable[Network], version: int) -> str:
    named = ", ".join(str(network) for network in networks if network.version == version)
    return f"elements = {{ {named} }}" if named else ""


async def hold(tag: str, door: ConnectionLimit) -> None:
    """Put the rules in force, in place of those of before. Raises CommandFailed."""
    await call(("nft", "-f", "-"), ruleset(tag, door))


def undoing(tag: str) -> tuple[tuple[tuple[str, ...], str], ...]:
    """Return the command that takes the rules back, with what it reads."""
    return ((("nft", "-f", "-"), drop_table(_table(tag))),)

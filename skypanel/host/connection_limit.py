"""The connection limit of the public ports, for each source address and in all.

The kernel enforces it, so refused connections cost the proxy nothing. The rules apply from a launcher's start and
outlive it, until the end of the panel removes them.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from skypanel.domain.clients import Network
from skypanel.host.commands import call
from skypanel.host.firewall import drop_table

# The capacity of a set. Addresses beyond it count only in all.
_MAX_ADDRESSES = 65535
CONNECTIONS_PER_ADDRESS = 1000
CONNECTIONS = 10_000
# Above such a share of `connections`, an address with more than so many connections gets no others.
STEPS = ((3 / 4, 20), (7 / 8, 5), (15 / 16, 1))
# The kernel scans a whole list whenever it adds to it, so lists must be short.
_LIST_LENGTH = 128
_MAX_LISTS = 4096
_IPV4 = "ip saddr"
_IPV6 = "ip6 saddr & ffff:ffff:ffff:ffff::"
_REFUSE = "reject with tcp reset"


@dataclass(frozen=True)
class ConnectionLimit:
    """The public ports, their limits for one address and in all, and the trusted proxies, which count only in all."""

    ports: tuple[int, ...]
    connections_per_address: int
    connections: int
    trusted: tuple[Network, ...] = ()


def ruleset(tag: str, limit: ConnectionLimit) -> str:
    """Return the nft script that replaces the table.

    An IPv6 address is a /64, because a provider gives that to one customer. Connections from this machine, such as a local
    proxy's, have no limit of their address. A closed connection no longer counts. A half-open one, whose address may be
    forged, and a half-closed one, which the proxy has released, count for seconds only.
    """
    address = f"ct count over {limit.connections_per_address} }} {_REFUSE}"
    public = f"tcp dport {{ {', '.join(map(str, limit.ports))} }} ct state new"
    return f"""\
{drop_table(_table(tag))}table inet skypanel_{_table(tag)} {{
  ct timeout brief {{
    protocol tcp
    policy = {{ syn_recv : 3, fin_wait : 10, close_wait : 10, last_ack : 10 }}
  }}
{_networks("trusted4", limit.trusted, 4)}{_networks("trusted6", limit.trusted, 6)}\
{_counts("open4", "ipv4_addr")}{_counts("open6", "ipv6_addr")}{_counts("total", "inet_service")}\
{"".join(_step_counts(few) for _, few in STEPS)}\
  chain input {{
    type filter hook input priority -20; policy accept;
    iif lo accept
    {public} jump bounded
  }}
  chain output {{
    type filter hook output priority -20; policy accept;
    oif lo {public} jump fair
  }}
  chain bounded {{
    ip saddr != @trusted4 add @open4 {{ {_IPV4} {address}
    ip6 saddr != @trusted6 add @open6 {{ {_IPV6} {address}
    goto fair
  }}
  chain fair {{
    ct timeout set "brief"
    {_lines(f"jump step{few}" for _, few in STEPS)}
    add @total {{ {_part(limit, 1)} }} {_REFUSE}
  }}
{"".join(_step(limit, share, few) for share, few in STEPS)}}}
"""


def _step(limit: ConnectionLimit, share: float, few: int) -> str:
    """Return the chains of one step: all connections count; above the share, those of addresses with more than `few` are refused."""
    return f"""\
  chain step{few} {{
    ip saddr != @trusted4 add @few{few}_4 {{ {_IPV4} ct count over {few} }} goto greedy{few}
    ip6 saddr != @trusted6 add @few{few}_6 {{ {_IPV6} ct count over {few} }} goto greedy{few}
    add @total{few} {{ {_part(limit, share)} }}
  }}
  chain greedy{few} {{
    add @total{few} {{ {_part(limit, share)} }} {_REFUSE}
  }}
"""


def _step_counts(few: int) -> str:
    return _counts(f"few{few}_4", "ipv4_addr") + _counts(f"few{few}_6", "ipv6_addr") + _counts(f"total{few}", "inet_service")


def _part(limit: ConnectionLimit, share: float) -> str:
    """Return the expression that counts all connections, in lists by source port.

    It omits the lowest bit of the port, because many systems always choose the same one.
    """
    count = lists(limit.connections)
    return f"tcp sport & {2 * (count - 1)} ct count over {int(share * limit.connections) // count}"


def lists(connections: int) -> int:
    """Return into how many lists to divide so many connections: a power of two."""
    return 1 << (min(_MAX_LISTS, max(1, connections // _LIST_LENGTH)).bit_length() - 1)


def _networks(name: str, networks: Iterable[Network], version: int) -> str:
    return f"""\
  set {name} {{
    type ipv{version}_addr
    flags interval
    auto-merge
    {_elements(networks, version)}
  }}
"""


def _counts(name: str, kind: str) -> str:
    return f"""\
  set {name} {{
    type {kind}
    size {_MAX_ADDRESSES}
    flags dynamic
  }}
"""


def _lines(rules: Iterable[str]) -> str:
    return "\n    ".join(rules)


def _table(tag: str) -> str:
    return f"{tag}_limit"


def _elements(networks: Iterable[Network], version: int) -> str:
    named = ", ".join(str(network) for network in networks if network.version == version)
    return f"elements = {{ {named} }}" if named else ""


async def hold(tag: str, limit: ConnectionLimit) -> None:
    """Apply the rules, in place of earlier ones. Raises CommandFailed."""
    await call(("nft", "-f", "-"), ruleset(tag, limit))


def undo_commands(tag: str) -> tuple[tuple[tuple[str, ...], str], ...]:
    """Return the commands that undo `hold`, each with its stdin."""
    return ((("nft", "-f", "-"), drop_table(_table(tag))),)

"""A blackhole route: packets for sandboxes that are gone stay on this machine.

A sandbox's own route goes with the sandbox. Later packets to it, such as a visitor's request, would follow the default
route out of the machine. So a route and firewall rules block the whole subnet. Both are in the kernel: they outlive
the launcher, until the end of the panel removes them.
"""

from skypanel.host.commands import call
from skypanel.host.firewall import AddressPlan, drop_table

# The lowest priority. The routes of sandboxes are more specific, and so are other programs' routes to a part of the subnet.
_METRIC = "4294967295"


def table(plan: AddressPlan) -> str:
    """Return the name of the nft table."""
    return f"{plan.tag}_strays"


def ruleset(plan: AddressPlan) -> str:
    """Return the nft script that replaces the table.

    Connections from this machine are refused at once. Connections to a forwarded port of a user-mode network are refused
    before routing, because such a network would not understand an ICMP error.
    """
    cables = f'"{plan.prefix}*"'
    return f"""\
{drop_table(table(plan))}table inet skypanel_{table(plan)} {{
  chain refuse {{
    meta l4proto tcp reject with tcp reset
    reject with icmpx host-unreachable
  }}
  chain prerouting {{
    type filter hook prerouting priority 0; policy accept;
    ip daddr {plan.subnet} fib daddr type != local fib daddr oif missing goto refuse
  }}
  chain forward {{
    type filter hook forward priority -20; policy accept;
    ip daddr {plan.subnet} oifname != {cables} drop
  }}
  chain output {{
    type filter hook output priority -20; policy accept;
    ip daddr {plan.subnet} oifname != {{ {cables}, "lo" }} goto refuse
  }}
}}
"""


def _route(plan: AddressPlan) -> tuple[str, ...]:
    return ("unreachable", str(plan.subnet), "metric", _METRIC)


async def hold(plan: AddressPlan) -> None:
    """Block the subnet from now on. Idempotent. Raises CommandFailed."""
    await call(("ip", "route", "replace", *_route(plan)))
    await call(("nft", "-f", "-"), ruleset(plan))


def undo_commands(plan: AddressPlan) -> tuple[tuple[tuple[str, ...], str], ...]:
    """Return the commands that undo `hold`, each with its stdin."""
    return (("ip", "route", "delete", *_route(plan)), ""), (("nft", "-f", "-"), drop_table(table(plan)))

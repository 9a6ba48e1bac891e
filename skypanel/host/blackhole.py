"""Packets for sandboxes that are gone: they stay on this machine.

A sandbox's own route goes with it. What is sent there meanwhile, such as a visitor's request, would follow the default
route out of the machine. So the whole subnet leads nowhere, by a route and by rules, both of them the kernel's: they
hold whatever becomes of the launcher, until whoever ends the panel lets go.
"""

from skypanel.host.commands import call
from skypanel.host.firewall import Plan, drop_table

# The last route that is asked: that of a sandbox is more specific, and so is somebody else's to a part of the subnet.
_METRIC = "4294967295"


def table(plan: Plan) -> str:
    """Return the name of the nft table."""
    return f"{plan.tag}_strays"


def ruleset(plan: Plan) -> str:
    """Return the nft script that replaces the table.

    Who dials on this machine is refused at once. What a port of a user-mode network led to is refused before the route
    is asked, whose answer such a network would not understand.
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


def _route(plan: Plan) -> tuple[str, ...]:
    return ("unreachable", str(plan.subnet), "metric", _METRIC)


async def hold(plan: Plan) -> None:
    """Keep them here from now on; idempotent. Raises CommandFailed."""
    await call(("ip", "route", "replace", *_route(plan)))
    await call(("nft", "-f", "-"), ruleset(plan))


def undoing(plan: Plan) -> tuple[tuple[tuple[str, ...], str], ...]:
    """Return the commands that undo it, with what each reads."""
    return (("ip", "route", "delete", *_route(plan)), ""), (("nft", "-f", "-"), drop_table(table(plan)))

"""The rules of alerts, which the schedule evaluates. Other flows find lost domains and inactive nodes, and tell at once."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta

from skypanel.domain.alert import AlertKind, Problem
from skypanel.flow.configured import value
from skypanel.ports.database import Connection
from skypanel.ports.panel import Panel
from skypanel.store import alert_rules, alerts

CRASHES_WITHIN = timedelta(minutes=10)
MOST_CRASHES = 3
# A dyno that uses more memory than its plan has is killed.
MEMORY_SHARE = 0.95
MEMORY_FOR = timedelta(minutes=5)
# Of some 30 that there are in that time.
LEAST_MEASUREMENTS = 20
CERTIFICATES_LEFT = timedelta(days=14)
DISK_SHARE = 0.9
DISK_SHARE_AFTERWARDS = 0.85
QUEUE_WAITS = timedelta(minutes=10)

Find = Callable[[Panel, Connection], Awaitable[Sequence[Problem]]]


async def evaluate(panel: Panel) -> None:
    """Open alerts for the problems that each rule finds, and resolve those of problems that are gone."""
    for kind, find in RULES.items():
        async with panel.autocommit() as conn:
            problems = await find(panel, conn)
        async with panel.transaction() as conn:
            await alerts.settle(conn, kind, problems)


async def _failed_deploys(_panel: Panel, conn: Connection) -> Sequence[Problem]:
    found = await alert_rules.failed_deploys(conn)
    return [Problem(str(each.app_id), f"The last deploy of {each.name} failed.", app_id=each.app_id) for each in found]


async def _crash_loops(panel: Panel, conn: Connection) -> Sequence[Problem]:
    found = await alert_rules.crashes(conn, panel.clock.now() - CRASHES_WITHIN, MOST_CRASHES)
    within = f"within {CRASHES_WITHIN.total_seconds() // 60:g} minutes"
    return [
        Problem(str(each.app_id), f"{each.dyno} of {each.name} crashed {each.number} times {within}.", app_id=each.app_id) for each in found
    ]


async def _full_memories(panel: Panel, conn: Connection) -> Sequence[Problem]:
    found = await alert_rules.full_memories(conn, panel.clock.now() - MEMORY_FOR, MEMORY_SHARE, LEAST_MEASUREMENTS)
    most = f"more than {MEMORY_SHARE:.0%} of its memory"
    return [Problem(str(each.app_id), f"{each.dyno} of {each.name} uses {most}.", app_id=each.app_id) for each in found]


async def _expiring(panel: Panel, conn: Connection, *, of_apps: bool) -> Sequence[Problem]:
    found = await alert_rules.expiring(conn, panel.clock.now(), CERTIFICATES_LEFT, panel.address.domain)
    return [
        Problem(each.name, f"The certificate of {each.name} is valid until {each.not_after:%Y-%m-%d}.", app_id=each.app_id)
        for each in found
        if (each.app_id is not None) is of_apps
    ]


async def _expiring_of_apps(panel: Panel, conn: Connection) -> Sequence[Problem]:
    return await _expiring(panel, conn, of_apps=True)


async def _expiring_of_panel(panel: Panel, conn: Connection) -> Sequence[Problem]:
    return await _expiring(panel, conn, of_apps=False)


async def _low_wallets(_panel: Panel, conn: Connection) -> Sequence[Problem]:
    hours = await value(conn, "wallet_low_hours")
    return [
        Problem(str(organization_id), f"The wallet of {name} lasts less than {hours} hours.", organization_id=organization_id)
        for organization_id, name in await alert_rules.low_wallets(conn)
    ]


async def _full_disks(_panel: Panel, conn: Connection) -> Sequence[Problem]:
    found = await alert_rules.full_disks(conn, DISK_SHARE, DISK_SHARE_AFTERWARDS)
    return [Problem(name, f"The disk of the node {name} is full by {share:.0%}.") for name, share in found]


async def _stuck_queues(panel: Panel, conn: Connection) -> Sequence[Problem]:
    found = await alert_rules.stuck_queues(conn, panel.clock.now() - QUEUE_WAITS)
    waiting = f"for more than {QUEUE_WAITS.total_seconds() // 60:g} minutes, and no worker works on any"
    return [Problem(queue, f"{number} {queue} wait {waiting}.") for queue, number in found]


RULES: Mapping[AlertKind, Find] = {
    AlertKind.DEPLOY_FAILED: _failed_deploys,
    AlertKind.CRASH_LOOP: _crash_loops,
    AlertKind.MEMORY_FULL: _full_memories,
    AlertKind.CERTIFICATE_EXPIRING: _expiring_of_apps,
    AlertKind.PANEL_CERTIFICATE_EXPIRING: _expiring_of_panel,
    AlertKind.WALLET_LOW: _low_wallets,
    AlertKind.DISK_FULL: _full_disks,
    AlertKind.QUEUE_STUCK: _stuck_queues,
}

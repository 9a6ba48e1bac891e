"""Commands about plans, and the plan of an app."""

from collections.abc import Awaitable, Callable

import click

from skypanel.cli import session
from skypanel.cli.apps import follow
from skypanel.cli.tables import show_table
from skypanel.domain.access import Action
from skypanel.domain.account import Account
from skypanel.domain.billing import HOURLY_DECIMALS
from skypanel.domain.plan import PlanEntry, read_offer
from skypanel.domain.transcript import size
from skypanel.flow import apps as apps_flow
from skypanel.flow import billing as billing_flow
from skypanel.flow import plans as plans_flow
from skypanel.flow.billing import Money
from skypanel.ports.panel import Panel

_HEADINGS = ("NAME", "VERSION", "CPU CORES", "RAM", "DYNOS", "AN HOUR", "A MONTH", "APPS", "NOTE")


@click.group()
def plans() -> None:
    """List, add, change and retire plans, and move apps between them."""


@plans.command("list")
def list_plans() -> None:
    """List the plans: what one dyno gets and costs, and how many apps are on each."""

    async def act(panel: Panel, by: Account) -> None:
        money = await billing_flow.formatter(panel)
        show_table([_HEADINGS, *(_row(entry, money) for entry in await plans_flow.overview(panel, by))])

    session.run(act)


def _row(entry: PlanEntry, money: Money) -> tuple[str, ...]:
    plan = entry.plan
    notes = ("retired" if entry.is_retired else "", f"{entry.outdated} on older versions" if entry.outdated else "")
    return (
        *(plan.name, f"v{plan.version}", f"{plan.cpu_cores:g}", size(plan.memory_bytes), f"{plan.max_replicas}"),
        *(money(plan.hourly_price, decimals=HOURLY_DECIMALS), money(plan.monthly_price), f"{entry.apps}"),
        ", ".join(filter(None, notes)),
    )


@plans.command("add")
@click.argument("name")
@click.option("--cpu", "cpu_cores", required=True, metavar="CORES", help="CPU cores of one dyno, such as 0.5.")
@click.option("--memory", "memory_mib", required=True, metavar="MIB", help="Memory of one dyno in MiB, such as 512.")
@click.option("--dynos", "max_replicas", required=True, metavar="NUMBER", help="How many dynos of a process type there may be.")
@click.option("--price", "hourly_price", required=True, metavar="AMOUNT", help="The price of a dyno per hour, such as 0.0200.")
def add_plan(**fields: str) -> None:
    """Add a plan that apps can choose."""
    offer = read_offer(fields)

    async def act(panel: Panel, by: Account) -> None:
        plan = await plans_flow.create(panel, by, offer)
        click.echo(f"Added {plan.name}: {await _price(panel, plan.name, by)}")

    session.run(act)


@plans.command("change")
@click.argument("name")
@click.option("--cpu", "cpu_cores", metavar="CORES", help="CPU cores of one dyno.")
@click.option("--memory", "memory_mib", metavar="MIB", help="Memory of one dyno in MiB.")
@click.option("--dynos", "max_replicas", metavar="NUMBER", help="How many dynos of a process type there may be.")
@click.option("--price", "hourly_price", metavar="AMOUNT", help="The price of a dyno per hour.")
def change_plan(name: str, **options: str | None) -> None:
    """Make a new version of a plan. Apps stay on the version that they have, until they are moved."""
    changes = {key: text for key, text in options.items() if text is not None}

    async def act(panel: Panel, by: Account) -> None:
        entry, _ = await plans_flow.find(panel, by, name)
        plan = await plans_flow.change(panel, by, read_offer({**entry.plan.fields(), **changes}))
        click.echo(f"{plan.name} v{plan.version}: {await _price(panel, plan.name, by)}")

    session.run(act)


async def _price(panel: Panel, name: str, by: Account) -> str:
    entry, _ = await plans_flow.find(panel, by, name)
    money = await billing_flow.formatter(panel)
    return f"{money(entry.plan.hourly_price, decimals=HOURLY_DECIMALS)} an hour, {money(entry.plan.monthly_price)} a month"


@plans.command("retire")
@click.argument("name")
def retire_plan(name: str) -> None:
    """Offer a plan no more. Apps that are on it stay."""
    _do(plans_flow.retire, name, "is retired: no app can choose it")


@plans.command("restore")
@click.argument("name")
def restore_plan(name: str) -> None:
    """Offer a retired plan again."""
    _do(plans_flow.restore, name, "is offered again")


@plans.command("delete")
@click.argument("name")
def delete_plan(name: str) -> None:
    """Delete a plan that no app is on."""
    _do(plans_flow.delete, name, "is deleted")


def _do(change: Callable[[Panel, Account, str], Awaitable[object]], name: str, outcome: str) -> None:
    async def act(panel: Panel, by: Account) -> None:
        await change(panel, by, name)
        click.echo(f"{name} {outcome}.")

    session.run(act)


@plans.command("move")
@click.argument("app")
@click.argument("plan")
def move_app(app: str, plan: str) -> None:
    """Put an app on the newest version of a plan, and replace its dynos without downtime."""

    async def act(panel: Panel, by: Account) -> None:
        found = await apps_flow.access(panel, by, app, Action.SCALE_APP)
        await follow(panel, await plans_flow.move(panel, found, plan, by))
        click.echo(f"{found.name} is on {plan}.")

    session.run(act)


COMMANDS = (plans,)

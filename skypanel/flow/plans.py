"""Plans: administrators offer, change and retire them, and apps move between them by choice."""

from collections.abc import Sequence
from decimal import Decimal

from skypanel.domain.access import check_admin
from skypanel.domain.account import Account
from skypanel.domain.app import App
from skypanel.domain.audit import AuditAction
from skypanel.domain.errors import Conflict, NotFound
from skypanel.domain.names import printable
from skypanel.domain.plan import Plan, PlanEntry, PlanOffer, PlanUse, in_use
from skypanel.domain.release import Rollout, RolloutReason
from skypanel.flow import audit
from skypanel.flow.configured import value
from skypanel.ports.database import Connection
from skypanel.ports.panel import Panel
from skypanel.ports.queue import Job
from skypanel.store import apps, formation, plans, rollouts


async def offered(panel: Panel) -> Sequence[Plan]:
    """Return the newest version of every plan that an app can choose, cheapest first."""
    async with panel.autocommit() as conn:
        return await plans.all(conn)


async def overview(panel: Panel, by: Account) -> Sequence[PlanEntry]:
    """Return every plan with the number of its apps, cheapest first. Raises Denied."""
    check_admin(by)
    async with panel.autocommit() as conn:
        return await plans.entries(conn)


async def find(panel: Panel, by: Account, name: str) -> tuple[PlanEntry, Sequence[PlanUse]]:
    """Return a plan, and the apps that are on it. Raises Denied or NotFound."""
    check_admin(by)
    async with panel.autocommit() as conn:
        plan = await _find(conn, name)
        uses = await plans.uses(conn, plan.name)
        outdated = sum(use.version != plan.version for use in uses)
        return PlanEntry(plan, await plans.is_retired(conn, plan.name), len(uses), outdated), uses


async def create(panel: Panel, by: Account, offer: PlanOffer) -> Plan:
    """Add a plan. Raises Denied, and Conflict if there is one of that name, in whatever letter case."""
    check_admin(by)
    async with panel.transaction() as conn:
        if any(entry.plan.name.lower() == offer.name.lower() for entry in await plans.entries(conn)):
            raise Conflict(f"There is a plan {offer.name} already.", "Change that one, or choose another name.")
        plan = await plans.add(conn, offer)
        await _record(conn, AuditAction.PLAN_CREATE, by, plan)
    return plan


async def change(panel: Panel, by: Account, offer: PlanOffer) -> Plan:
    """Add a version to the plan of that name. Apps keep the version that they are on, until they move to the new one.

    Returns the newest version, which is the same if nothing changes. Raises Denied or NotFound.
    """
    check_admin(by)
    async with panel.transaction() as conn:
        before = await _find(conn, offer.name)
        if _offer_of(before) == offer:
            return before
        plan = await plans.add(conn, offer)
        await _record(conn, AuditAction.PLAN_CHANGE, by, plan)
    return plan


async def retire(panel: Panel, by: Account, name: str) -> None:
    """Do not offer a plan any more; apps on it stay. Raises Denied, NotFound, and Conflict for the plan of new apps."""
    check_admin(by)
    async with panel.transaction() as conn:
        plan = await _find(conn, name)
        await _check_not_default(conn, plan)
        await plans.set_retired(conn, plan.name, retired=True)
        await audit.record(conn, AuditAction.PLAN_RETIRE, by, plan=plan.name)


async def restore(panel: Panel, by: Account, name: str) -> None:
    """Offer a retired plan again. Raises Denied or NotFound."""
    check_admin(by)
    async with panel.transaction() as conn:
        plan = await _find(conn, name)
        await plans.set_retired(conn, plan.name, retired=False)
        await audit.record(conn, AuditAction.PLAN_RESTORE, by, plan=plan.name)


async def delete(panel: Panel, by: Account, name: str) -> None:
    """Delete a plan. Raises Denied, NotFound, and Conflict, which names the apps that are on it."""
    check_admin(by)
    async with panel.transaction() as conn:
        plan = await _find(conn, name)
        await _check_not_default(conn, plan)
        if uses := await plans.uses(conn, plan.name):
            raise in_use(plan.name, uses)
        try:
            await plans.remove(conn, plan.name)
        except Conflict as error:
            raise Conflict(f"An app chose the plan {plan.name} meanwhile.", "Move it to another plan first.") from error
        await audit.record(conn, AuditAction.PLAN_DELETE, by, plan=plan.name)


async def move(panel: Panel, app: App, name: str, by: Account) -> Rollout | None:
    """Put an app on the newest version of a plan, and replace its dynos.

    Returns the rollout, or None if nothing runs yet. Raises NotFound for an unknown plan, and Conflict for a retired one or the app's own.
    Raises Invalid if the app has more dynos than the plan allows.
    """
    async with panel.transaction() as conn:
        await apps.lock(conn, app.id)
        app = await apps.get(conn, app.id)
        plan = await choose(conn, name)
        if plan.id == app.plan.id:
            raise Conflict(f"{app.name} is on the newest version of {plan.name} already.", "Choose another plan.")
        for process_type, quantity in (await formation.get(conn, app.id)).items():
            plan.check_quantity(process_type, quantity)
        await apps.set_plan(conn, app.id, plan.id)
        before, after = (f"{each.name} v{each.version}" for each in (app.plan, plan))
        await audit.record(conn, AuditAction.APP_PLAN, by, app, plan_before=before, plan_after=after)
        if app.current_release_id is None:
            return None
        rollout = await rollouts.add(conn, app.id, app.current_release_id, RolloutReason.SCALE)
    await panel.queue.wake(Job.ROLLOUT)
    return rollout


async def choose(conn: Connection, name: str) -> Plan:
    """Return the newest version of a plan for an app. Raises NotFound for an unknown plan, Conflict for a retired one."""
    plan = await _find(conn, name)
    if await plans.is_retired(conn, plan.name):
        raise Conflict(f"The plan {plan.name} is no longer offered.", "Choose another plan.")
    return plan


async def _find(conn: Connection, name: str) -> Plan:
    try:
        return await plans.latest(conn, name)
    except NotFound:
        known = ", ".join(plan.name for plan in await plans.all(conn))
        raise NotFound(f"There is no plan {printable(name)}.", f"There are: {known or 'none'}.") from None


async def _check_not_default(conn: Connection, plan: Plan) -> None:
    if str(await value(conn, "default_plan")).lower() == plan.name.lower():
        raise Conflict(f"{plan.name} is the plan of new apps.", "Choose another first: skypanel settings set default_plan=NAME")


def _offer_of(plan: Plan) -> PlanOffer:
    return PlanOffer(plan.name, plan.cpu_cores, plan.memory_bytes, plan.max_replicas, Decimal(plan.hourly_price))


async def _record(conn: Connection, action: AuditAction, by: Account, plan: Plan) -> None:
    await audit.record(conn, action, by, version=plan.version, plan=plan.fields())

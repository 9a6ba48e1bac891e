"""Plans."""

from skypanel.domain.identity import derived_id
from skypanel.domain.plan import PlanEntry
from web.api.resources.common import Count, Id, Resource


class Plan(Resource, kw_only=True):
    """The newest version of a plan: what one dyno gets, and what it costs."""

    id: Id
    name: str
    version: Count
    cpu_cores: str
    memory_mib: Count
    max_dynos: Count
    hourly_price: str
    monthly_price: str
    retired: bool


def plan(of: PlanEntry) -> Plan:
    """Return a plan."""
    typed = of.plan.fields()
    return Plan(
        id=str(derived_id("plan", of.plan.name)),
        name=of.plan.name,
        version=of.plan.version,
        cpu_cores=typed["cpu_cores"],
        memory_mib=of.plan.memory_mib,
        max_dynos=of.plan.max_replicas,
        hourly_price=typed["hourly_price"],
        monthly_price=f"{of.plan.monthly_price:.2f}",
        retired=of.is_retired,
    )

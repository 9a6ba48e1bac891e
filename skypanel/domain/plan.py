"""Plans: the resources and price of one dyno."""

from dataclasses import dataclass
from decimal import Decimal

from skypanel.domain.errors import Invalid
from skypanel.domain.ids import PlanVersionId
from skypanel.domain.limits import GIB, MIB, Limits


@dataclass(frozen=True)
class Plan:
    """One version of a plan. Apps refer to a version, so a change of the plan does not affect them."""

    id: PlanVersionId
    name: str
    version: int
    cpu_cores: float
    memory_bytes: int
    max_replicas: int
    hourly_price: Decimal

    def limits(self) -> Limits:
        """Return the limits of one dyno on this plan."""
        return Limits(cpu_cores=self.cpu_cores, memory_bytes=self.memory_bytes, pids=512, disk_bytes=2 * GIB)

    def check_quantity(self, process_type: str, quantity: int) -> int:
        """Return `quantity` if this plan allows it. Raises Invalid, which names the plan's limit."""
        if quantity < 0:
            raise Invalid(f"{process_type} cannot be scaled to {quantity}.", "Give a quantity of 0 or more.")
        if quantity > self.max_replicas:
            raise Invalid(
                f"{process_type}={quantity} is over the {self.name} plan's {self.max_replicas} dynos a process type.",
                f"Scale to at most {self.max_replicas}, or choose a larger plan.",
            )
        return quantity


@dataclass(frozen=True)
class PlanOffer:
    """A plan that the panel creates when it is first set up."""

    name: str
    cpu_cores: float
    memory_bytes: int
    max_replicas: int
    hourly_price: Decimal


FIRST_PLANS = (
    PlanOffer("Hobby", 0.5, 256 * MIB, 1, Decimal("0.0050")),
    PlanOffer("Standard", 1.0, 512 * MIB, 10, Decimal("0.0200")),
    PlanOffer("Pro", 2.0, 2 * GIB, 20, Decimal("0.0800")),
    PlanOffer("Business", 4.0, 8 * GIB, 50, Decimal("0.3200")),
)
DEFAULT_PLAN = "Standard"

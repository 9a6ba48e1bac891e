"""Plans: the resources and price of one dyno."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeVar

from skypanel.domain.billing import monthly
from skypanel.domain.errors import Conflict, Invalid
from skypanel.domain.ids import PlanVersionId
from skypanel.domain.limits import GIB, MIB, Limits
from skypanel.domain.names import printable

MAX_CPU_CORES = 256
MIN_MEMORY_MIB, MAX_MEMORY_MIB = 32, 1024 * 1024
MAX_DYNOS = 1000
MAX_LISTED_APPS = 20
FIELDS = ("name", "cpu_cores", "memory_mib", "max_replicas", "hourly_price")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
_CORES = re.compile(r"[0-9]{1,3}(\.[0-9]{1,2})?")
_WHOLE = re.compile(r"[0-9]{1,7}")
_PRICE = re.compile(r"[0-9]{1,6}(\.[0-9]{1,4})?")

T = TypeVar("T", float, int, Decimal)


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

    @property
    def monthly_price(self) -> Decimal:
        """The price of a dyno that runs for a whole month."""
        return monthly(self.hourly_price)

    @property
    def memory_mib(self) -> int:
        """The memory of one dyno in MiB."""
        return self.memory_bytes // MIB

    def fields(self) -> Mapping[str, str]:
        """Return the plan as it is typed; `read_offer` reads it."""
        return {
            "name": self.name,
            "cpu_cores": f"{self.cpu_cores:g}",
            "memory_mib": f"{self.memory_mib}",
            "max_replicas": f"{self.max_replicas}",
            "hourly_price": f"{self.hourly_price:.4f}",
        }

    def limits(self) -> Limits:
        """Return the limits of one dyno on this plan."""
        return Limits(cpu_cores=self.cpu_cores, memory_bytes=self.memory_bytes, pids=512, disk_bytes=2 * GIB)

    def check_quantity(self, process_type: str, quantity: int) -> int:
        """Return `quantity` if this plan allows it. Raises Invalid, which names the plan's limit."""
        if quantity < 0:
            raise Invalid(f"{process_type} cannot be scaled to {quantity}.", "Give a quantity of 0 or more.")
        if quantity > self.max_replicas:
            raise Invalid(
                f"{process_type}={quantity} is over the {self.name} plan's limit of {self.max_replicas} dynos for each process type.",
                f"Scale to at most {self.max_replicas}, or choose a larger plan.",
            )
        return quantity


@dataclass(frozen=True)
class PlanEntry:
    """The newest version of a plan, and how many apps are on any of its versions, and on older ones.

    A retired plan is not offered any more; apps that are on it stay.
    """

    plan: Plan
    is_retired: bool
    apps: int
    outdated: int


@dataclass(frozen=True)
class PlanUse:
    """An app that is on a plan, and its organization."""

    app: str
    organization: str
    version: int


@dataclass(frozen=True)
class PlanOffer:
    """What a new plan, or a new version of a plan, is to be."""

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


def read_offer(fields: Mapping[str, str]) -> PlanOffer:
    """Parse a plan that was typed: name, cpu_cores, memory_mib, max_replicas and hourly_price. Raises Invalid."""
    name = fields["name"]
    if not _NAME.fullmatch(name):
        raise Invalid(f"{printable(name)} is not a valid plan name.", "Use up to 40 letters, digits, dashes and underscores.")
    cores = _number(fields["cpu_cores"], _CORES, float, "a number of CPU cores", (0.05, MAX_CPU_CORES))
    memory = _number(fields["memory_mib"], _WHOLE, int, "an amount of memory in MiB", (MIN_MEMORY_MIB, MAX_MEMORY_MIB))
    replicas = _number(fields["max_replicas"], _WHOLE, int, "a number of dynos", (1, MAX_DYNOS))
    return PlanOffer(name, cores, memory * MIB, replicas, _price(fields["hourly_price"]))


def _number(text: str, pattern: re.Pattern[str], kind: Callable[[str], T], what: str, bounds: tuple[T, T]) -> T:
    least, most = bounds
    if not pattern.fullmatch(text) or not least <= kind(text) <= most:
        raise Invalid(f"{printable(text)} is not {what}.", f"Give a number from {least:g} to {most:g}.")
    return kind(text)


def _price(text: str) -> Decimal:
    if not _PRICE.fullmatch(text):
        raise Invalid(f"{printable(text)} is not a price per hour.", "Write it like this: 0.0200, with up to 4 decimals.")
    return Decimal(text)


def in_use(name: str, uses: Sequence[PlanUse]) -> Conflict:
    """Return the error for a plan that cannot be deleted, which names the apps on it."""
    named = ", ".join(f"{use.app} ({use.organization})" for use in uses[:MAX_LISTED_APPS])
    more = f" and {len(uses) - MAX_LISTED_APPS} more" if len(uses) > MAX_LISTED_APPS else ""
    return Conflict(
        f"The plan {name} cannot be deleted: {len(uses)} app{' is' if len(uses) == 1 else 's are'} on it: {named}{more}.",
        "Move them to another plan first, or retire this one, so that no app can choose it.",
    )

"""What administrators see of organizations in figures."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from skypanel.domain.account import Organization
from skypanel.domain.ids import AppId


@dataclass(frozen=True)
class PanelFigures:
    """How many there are of each on the whole panel; those that are suspended are among the organizations."""

    organizations: int
    suspended: int
    accounts: int
    apps: int


@dataclass(frozen=True)
class OrganizationFigures:
    """One organization: how many people and apps it has, what its wallet was charged in its whole life, and what it has left.

    One that does not pay has no `balance`.
    """

    organization: Organization
    members: int
    apps: int
    charged: Decimal
    balance: Decimal | None


@dataclass(frozen=True)
class Granted:
    """How many dynos of an app are to run, and what its plan grants them in all."""

    dynos: int = 0
    cpu_cores: float = 0.0
    memory_bytes: int = 0


@dataclass(frozen=True)
class AppFigures:
    """One app, or what was one: what it is granted now, and what it used in a time."""

    app_id: AppId
    name: str
    granted: Granted
    dyno_hours: Decimal
    cost: Decimal


@dataclass(frozen=True)
class ResourceUsage:
    """What the apps of an organization use, each and in all."""

    apps: Sequence[AppFigures]

    @property
    def granted(self) -> Granted:
        """What all of them are granted."""
        each = [app.granted for app in self.apps]
        return Granted(sum(one.dynos for one in each), sum(one.cpu_cores for one in each), sum(one.memory_bytes for one in each))

    @property
    def dyno_hours(self) -> Decimal:
        """The hours of all of them."""
        return sum((app.dyno_hours for app in self.apps), start=Decimal("0.00"))

    @property
    def cost(self) -> Decimal:
        """The cost of all of them."""
        return sum((app.cost for app in self.apps), start=Decimal(0))

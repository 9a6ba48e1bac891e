"""Totals for administrators, and what organizations use."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from skypanel.domain.account import Organization
from skypanel.domain.ids import AppId


@dataclass(frozen=True)
class PanelFigures:
    """Totals of the whole panel; `organizations` includes the suspended ones."""

    organizations: int
    suspended: int
    accounts: int
    apps: int


@dataclass(frozen=True)
class OrganizationFigures:
    """One organization: its members and apps, all charges to its wallet so far, and its balance.

    `balance` is None if it is not billed.
    """

    organization: Organization
    members: int
    apps: int
    charged: Decimal
    balance: Decimal | None


@dataclass(frozen=True)
class Granted:
    """How many dynos an app should run, and the total resources that its plan gives them."""

    dynos: int = 0
    cpu_cores: float = 0.0
    memory_bytes: int = 0


class AppFigures(NamedTuple):
    """A current or deleted app: its resources now, and its usage over a time. A plain tuple, because there may be thousands."""

    app_id: AppId
    name: str
    granted: Granted
    dyno_hours: Decimal
    cost: Decimal


@dataclass(frozen=True)
class ResourceUsage:
    """What the apps of an organization use, most expensive first: each of some, and the number and the totals of all."""

    apps: Sequence[AppFigures]
    count: int
    granted: Granted
    dyno_hours: Decimal
    cost: Decimal

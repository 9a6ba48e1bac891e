"""What apps used and cost, wallets, and amounts of money as people write and read them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from typing import NamedTuple
from unicodedata import category

from skypanel.domain.errors import Invalid
from skypanel.domain.ids import AppId, WalletEntryId
from skypanel.domain.names import printable

HOUR = timedelta(hours=1)
SMALLEST = Decimal("0.000001")
HOURS_A_MONTH = 730
DECIMALS, HOURLY_DECIMALS = 2, 4
MAX_SYMBOL_LENGTH = 4
MAX_LOW_HOURS = 9999

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_AMOUNT = re.compile(r"-?[0-9]{1,9}(\.[0-9]{1,6})?")
_CODE = re.compile(r"[A-Z]{3}")
_MONTH = re.compile(r"(2[0-9]{3})-(0[1-9]|1[0-2])")


class HourCost(NamedTuple):
    """What all apps of an organization cost together in the hour that begins at `hour`."""

    hour: datetime
    cost: Decimal


class AppUsage(NamedTuple):
    """What an app used over some time: the seconds of all its dynos added up, the same in hours with two decimals, and the cost."""

    app_id: AppId
    app_name: str
    dyno_seconds: Decimal
    dyno_hours: Decimal
    cost: Decimal


@dataclass(frozen=True)
class Usage:
    """What apps used, most expensive first: each of some, and the number, the hours and the cost of all."""

    apps: Sequence[AppUsage]
    count: int
    dyno_hours: Decimal
    cost: Decimal


@dataclass(frozen=True)
class DayUsage:
    """What all apps of an organization used in a UTC day."""

    day: date
    dyno_seconds: Decimal
    cost: Decimal


class EntryKind(StrEnum):
    """Why a balance changes: the opening credit, a change by an administrator, or the charge for an hour."""

    OPENING = "opening"
    CREDIT = "credit"
    CHARGE = "charge"


@dataclass(frozen=True)
class WalletEntry:
    """One entry of a wallet: the amount, and the balance after it. `hour` is the hour that was charged."""

    id: WalletEntryId
    at: datetime
    kind: EntryKind
    amount: Decimal
    balance: Decimal
    hour: datetime | None
    note: str
    email: str | None


@dataclass(frozen=True)
class Funds:
    """What a wallet has, what an hour of all that should run now costs, and whether the owners were told that this is little."""

    balance: Decimal
    hourly_cost: Decimal
    is_warned: bool

    @property
    def hours_left(self) -> int | None:
        """How many full hours the wallet lasts at the present cost; None if nothing costs anything."""
        return max(0, int(self.balance / self.hourly_cost)) if self.hourly_cost else None

    def is_low(self, hours: int) -> bool:
        """Whether the wallet has something, but not enough for this many hours."""
        return self.balance > 0 and self.balance < self.hourly_cost * hours


def hour_of(moment: datetime) -> datetime:
    """Return the start of the UTC hour that contains a moment."""
    return moment - (moment - _EPOCH) % HOUR


def is_unpaid(*, is_charged: bool, balance: Decimal) -> bool:
    """Whether an organization's apps must stop: it is charged, and its balance is zero or less."""
    return is_charged and balance <= 0


def read_amount(text: str) -> Decimal:
    """Parse an amount of money. Raises Invalid."""
    if not _AMOUNT.fullmatch(text):
        raise Invalid(f"{printable(text)} is not an amount.", "Write it like this: 12.50, with up to 6 decimals.")
    return Decimal(text)


def read_hours(text: str) -> int:
    """Parse a number of hours. Raises Invalid."""
    if not re.fullmatch(r"[0-9]{1,4}", text):
        raise Invalid(f"{printable(text)} is not a number of hours.", f"Write a number from 0 to {MAX_LOW_HOURS}.")
    return int(text)


def read_month(text: str) -> tuple[datetime, datetime]:
    """Return the start and end, in UTC, of a month such as 2026-11. Raises Invalid."""
    found = _MONTH.fullmatch(text)
    if not found:
        raise Invalid(f"{printable(text)} is not a month.", "Write it like this: 2026-11")
    return month_of(datetime(int(found[1]), int(found[2]), 1, tzinfo=UTC))


def month_of(moment: datetime) -> tuple[datetime, datetime]:
    """Return the start and end, in UTC, of the month that contains a moment."""
    first = moment.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    later = first + timedelta(days=31)
    return first, later.replace(day=1)


def typed(amount: Decimal) -> str:
    """Format an amount as it is typed: with at least two decimals, and more if it has more."""
    text = f"{amount.quantize(SMALLEST):f}"
    whole, _, decimals = text.partition(".")
    return f"{whole}.{decimals.rstrip('0').ljust(2, '0')}"


def money(amount: Decimal, currency: str, decimals: int = DECIMALS) -> str:
    """Format an amount for people, with the currency: `12.50 USD` for a code, `$12.50` for a symbol.

    Prices and costs of an hour take HOURLY_DECIMALS; everything else takes DECIMALS.
    """
    rounded = amount.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP) + 0  # not "-0"
    if _CODE.fullmatch(currency):
        return f"{rounded:,f} {currency}"
    return f"{'-' if rounded < 0 else ''}{currency}{abs(rounded):,f}"


def read_currency(text: str) -> str:
    """Return `text` if it is a code of ISO 4217, or a symbol. Raises Invalid."""
    if not _CODE.fullmatch(text) and not _is_symbol(text):
        raise Invalid(f"{printable(text)} is not a currency.", "Write a code of ISO 4217, such as EUR, or a symbol, such as $.")
    return text


def _is_symbol(text: str) -> bool:
    """Whether a text is short, and has only letters and signs of currencies."""
    return 0 < len(text) <= MAX_SYMBOL_LENGTH and all(sign.isalpha() or category(sign) == "Sc" for sign in text)


def monthly(hourly_price: Decimal) -> Decimal:
    """Return the price of a month, which has 730 hours on average."""
    return hourly_price * HOURS_A_MONTH

"""What apps cost: the arithmetic."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skypanel.domain.billing import (
    HOUR,
    Funds,
    UsagePeriod,
    by_app,
    costs,
    hour_of,
    is_unpaid,
    money,
    month_of,
    monthly,
    read_amount,
    read_currency,
    read_month,
    typed,
    usage,
)
from skypanel.domain.errors import Invalid

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
HELLO, OTHER = UUID(int=1), UUID(int=2)
SMALLEST = Fraction(1, 1_000_000)


def span(since=NOON, until=NOON + HOUR, quantity=1, price="0.0200", app=HELLO, **values):
    fields = {"app_name": "hello", "process_type": "web"} | values
    return UsagePeriod(app_id=app, hourly_price=Decimal(price), quantity=quantity, since=since, until=until, **fields)


moments = st.integers(min_value=0, max_value=50 * 3_600_000_000).map(lambda us: NOON + timedelta(microseconds=us))
prices = st.integers(min_value=0, max_value=10_000_000).map(lambda units: Decimal(units).scaleb(-4))


@st.composite
def spans(draw):
    since, until = sorted((draw(moments), draw(moments)))
    return span(
        since, draw(st.sampled_from([until, None])), draw(st.integers(1, 1000)), draw(prices), draw(st.sampled_from([HELLO, OTHER]))
    )


def exact(given_spans, since, until):
    """Return the dyno-seconds and the cost, without any rounding."""
    seconds = price = Fraction(0)
    for one in given_spans:
        time = max(timedelta(0), min(one.until or until, until) - max(one.since, since))
        dynos = one.quantity * Fraction(time // timedelta(microseconds=1), 1_000_000)
        seconds += dynos
        price += Fraction(one.hourly_price) * dynos / 3600
    return seconds, price


@pytest.mark.req("R10.2")
def test_an_hour_costs_the_price_times_the_dynos():
    [used] = usage([span(quantity=3)], NOON, NOON + HOUR)
    assert (used.hour, used.dyno_seconds, used.cost) == (NOON, Decimal(3 * 3600), Decimal("0.06"))


@pytest.mark.req("R15.4")
def test_a_part_of_an_hour_costs_its_part():
    twenty = NOON + timedelta(minutes=20)
    [used] = usage([span(until=twenty), span(since=twenty, until=None, quantity=3)], NOON, NOON + HOUR)
    assert used.dyno_seconds == 20 * 60 + 3 * 40 * 60
    assert used.cost == Decimal("0.046667")


def test_a_half_of_the_smallest_part_goes_to_the_even_one():
    second = timedelta(seconds=1)
    assert [usage([span(until=NOON + second, price=price)], NOON, NOON + HOUR)[0].cost for price in ("0.0018", "0.0054")] == [
        Decimal("0.000000"),
        Decimal("0.000002"),
    ]


@given(st.lists(spans(), max_size=6), moments, moments)
def test_hours_add_up_to_the_whole(some, one, other):
    since, until = sorted((one, other))
    used = usage(some, since, until)
    seconds, price = exact(some, since, until)
    assert sum((Fraction(each.dyno_seconds) for each in used), Fraction(0)) == seconds
    assert abs(sum((Fraction(each.cost) for each in used), Fraction(0)) - price) <= len(used) * SMALLEST / 2
    assert len({(each.app_id, each.hour) for each in used}) == len(used)
    assert all(each.hour == hour_of(each.hour) for each in used)


@given(st.lists(spans(), max_size=6), st.lists(st.integers(0, 50), min_size=3, max_size=3))
def test_it_does_not_matter_how_many_hours_are_worked_out_at_once(some, hours):
    since, between, until = (NOON + number * HOUR for number in sorted(hours))
    parts = usage(some, since, between) + usage(some, between, until)
    assert parts == usage(some, since, until)


@given(st.lists(spans(), max_size=6))
def test_a_sum_over_apps_is_that_over_hours(some):
    used = usage(some, NOON, NOON + 60 * HOUR)
    assert sum(costs(used).values()) == sum(app.cost for app in by_app(used))
    assert list(costs(used)) == sorted(costs(used))


def test_an_app_goes_by_the_name_it_had_last():
    later = NOON + timedelta(minutes=30)
    used = usage([span(until=later), span(since=later, until=None, app_name="hallo")], NOON, NOON + 2 * HOUR)
    assert [each.app_name for each in used] == ["hallo", "hallo"]
    [app] = by_app(used)
    assert (app.app_name, app.dyno_hours) == ("hallo", Decimal("2.00"))


def test_the_dearest_app_comes_first():
    used = usage([span(), span(app=OTHER, price="0.0800", app_name="other")], NOON, NOON + HOUR)
    assert [app.app_name for app in by_app(used)] == ["other", "hello"]


@pytest.mark.req("R10.4")
@pytest.mark.parametrize(("balance", "stops"), [("0.000001", False), ("0", True), ("-0.02", True)])
def test_apps_stop_where_nothing_is_left_and_only_where_hours_are_charged(balance, stops):
    assert is_unpaid(is_charged=True, balance=Decimal(balance)) is stops
    assert not is_unpaid(is_charged=False, balance=Decimal(balance))


@pytest.mark.parametrize(("text", "amount"), [("12.50", "12.5"), ("-3", "-3"), ("0.000001", "0.000001"), ("999999999", "999999999")])
def test_amounts(text, amount):
    assert read_amount(text) == Decimal(amount)


@pytest.mark.parametrize("text", ["", "1,5", "1e3", "NaN", "0.0000001", "1234567890", " 1", "+1", "\N{ARABIC-INDIC DIGIT ONE}"])
def test_what_is_no_amount(text):
    with pytest.raises(Invalid, match=r"12\.50"):
        read_amount(text)


@pytest.mark.parametrize(("amount", "shown"), [("12", "12.00"), ("0.046667", "0.046667"), ("-0.5", "-0.50"), ("100.1230", "100.123")])
def test_an_amount_is_typed_with_all_that_it_has(amount, shown):
    assert typed(Decimal(amount)) == shown


@pytest.mark.parametrize(
    ("amount", "currency", "decimals", "shown"),
    [
        ("12", "USD", 2, "12.00 USD"), ("0.0050", "EUR", 4, "0.0050 EUR"), ("3.65", "$", 2, "$3.65"), ("-0.5", "$", 2, "-$0.50"),
        ("-0.5", "CHF", 2, "-0.50 CHF"), ("0.005", "€", 2, "€0.01"), ("12345.678", "zł", 2, "zł12,345.68"), ("-0.001", "$", 2, "$0.00"),
        ("-0.001", "USD", 2, "0.00 USD"),
    ],
)  # fmt: skip
def test_money_has_its_currency_and_as_many_digits_as_are_asked_for(amount, currency, decimals, shown):
    assert money(Decimal(amount), currency, decimals) == shown


@pytest.mark.parametrize("text", ["USD", "EUR", "$", "€", "R$", "zł", "kr", "Kč"])
def test_currencies(text):
    assert read_currency(text) == text


@pytest.mark.parametrize("text", ["", " ", "US1", "<b>", "dollars", "$ ", "1", "\n"])
def test_what_is_no_currency(text):
    with pytest.raises(Invalid, match="ISO 4217"):
        read_currency(text)


@pytest.mark.req("R9.3")
@pytest.mark.parametrize(("hourly", "a_month"), [("0.0050", "3.65"), ("0.02", "14.60"), ("0.0001", "0.07"), ("0", "0.00")])
def test_a_month_costs_730_hours(hourly, a_month):
    assert monthly(Decimal(hourly)) == Decimal(hourly) * 730
    assert money(monthly(Decimal(hourly)), "$") == f"${a_month}"


@pytest.mark.parametrize("month", range(1, 13))
def test_a_month_ends_as_the_next_begins(month):
    since, until = read_month(f"2024-{month:02}")
    assert (since.month, since.day, until.day) == (month, 1, 1)
    assert month_of(until - timedelta(microseconds=1)) == (since, until)
    assert month_of(until)[0] == until


@pytest.mark.parametrize("text", ["", "2026", "2026-13", "2026-00", "2026-1", "1999-01", "26-11", "2026-11-01"])
def test_what_is_no_month(text):
    with pytest.raises(Invalid, match="2026-11"):
        read_month(text)


@pytest.mark.parametrize(
    ("balance", "hourly_cost", "hours_left", "is_low"),
    [
        ("1.44", "0.02", 72, False),
        ("1.43", "0.02", 71, True),
        ("0.01", "0.02", 0, True),
        # An empty wallet is more than low.
        ("0", "0.02", 0, False),
        ("-1", "0.02", 0, False),
        ("0.01", "0", None, False),
    ],
)
def test_a_wallet_is_low_that_lasts_for_fewer_hours(balance, hourly_cost, hours_left, is_low):
    funds = Funds(Decimal(balance), Decimal(hourly_cost), is_warned=False)
    assert (funds.hours_left, funds.is_low(72), funds.is_low(0)) == (hours_left, is_low, False)

"""What apps cost: the arithmetic."""

from datetime import timedelta
from decimal import Decimal

import pytest

from skypanel.domain.billing import (
    Funds,
    is_unpaid,
    money,
    month_of,
    monthly,
    read_amount,
    read_currency,
    read_month,
    typed,
)
from skypanel.domain.errors import Invalid


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

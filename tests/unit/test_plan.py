from decimal import Decimal
from itertools import pairwise
from uuid import UUID

import pytest

from skypanel.domain.errors import Invalid
from skypanel.domain.limits import MIB
from skypanel.domain.plan import FIRST_PLANS, MAX_LISTED_APPS, Plan, PlanUse, in_use, read_offer

PLAN = Plan(UUID(int=1), "Standard", 1, 1.0, 512 * MIB, 10, Decimal("0.02"))


@pytest.mark.parametrize("quantity", [0, 1, 10])
def test_quantities_within_the_plan_pass(quantity):
    assert PLAN.check_quantity("web", quantity) == quantity


@pytest.mark.req("R15.5")
def test_scaling_past_max_replicas_is_refused():
    with pytest.raises(Invalid, match="at most 10"):
        PLAN.check_quantity("web", 11)


def test_a_negative_quantity_is_refused():
    with pytest.raises(Invalid, match="0 or more"):
        PLAN.check_quantity("web", -1)


def test_the_first_plans_grow_in_everything():
    for smaller, larger in pairwise(FIRST_PLANS):
        assert smaller.memory_bytes < larger.memory_bytes
        assert smaller.cpu_cores < larger.cpu_cores
        assert smaller.max_replicas < larger.max_replicas
        assert smaller.hourly_price < larger.hourly_price


def test_what_is_typed_is_read_as_it_is_shown():
    offer = read_offer(PLAN.fields())
    assert (offer.name, offer.cpu_cores, offer.memory_bytes, offer.max_replicas) == ("Standard", 1.0, 512 * MIB, 10)
    assert offer.hourly_price == PLAN.hourly_price


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("name", ""), ("name", "a plan"), ("name", "<b>"), ("name", "-x"), ("name", "x" * 41), ("cpu_cores", "0"), ("cpu_cores", "257"),
        ("cpu_cores", "1e3"), ("cpu_cores", "NaN"), ("cpu_cores", ""), ("memory_mib", "31"), ("memory_mib", "1.5"),
        ("memory_mib", "9999999"), ("max_replicas", "0"), ("max_replicas", "1001"), ("max_replicas", "-1"), ("hourly_price", "-1"),
        ("hourly_price", "0.00001"), ("hourly_price", "free"), ("hourly_price", "1234567"),
    ],
)  # fmt: skip
def test_what_no_plan_can_be(field, text):
    with pytest.raises(Invalid) as refused:
        read_offer({**PLAN.fields(), field: text})
    assert refused.value.hint


@pytest.mark.req("R9.3")
def test_a_month_of_a_plan_costs_730_hours():
    assert PLAN.monthly_price == Decimal("14.60")


def test_a_plan_that_many_apps_use_names_the_first_of_them():
    uses = [PlanUse(f"app-{number}", "Main", 1) for number in range(MAX_LISTED_APPS + 3)]
    assert "app-0 (Main), app-1 (Main)" in in_use("Hobby", uses).message
    assert in_use("Hobby", uses).message.endswith("and 3 more.")
    assert "1 app is on it: app-0 (Main)." in in_use("Hobby", uses[:1]).message

from decimal import Decimal
from itertools import pairwise
from uuid import UUID

import pytest

from skypanel.domain.errors import Invalid
from skypanel.domain.limits import MIB
from skypanel.domain.plan import FIRST_PLANS, Plan

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

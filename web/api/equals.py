"""Heroku has several regions, stacks and dyno sizes, a panel one. Heroku's names are accepted with a warning, so that scripts work.

The names: https://devcenter.heroku.com/articles/regions, /articles/stack and /articles/dyno-types.
"""

import re

from skypanel.domain.app import App
from skypanel.domain.errors import Invalid
from skypanel.domain.names import printable
from skypanel.domain.slug import STACK
from web.api.calls import Call
from web.api.resources.common import REGION, REGION_REF, STACK_REF

_REGION = re.compile(r"us|eu|dublin|frankfurt|london|montreal|mumbai|oregon|singapore|sydney|tokyo|virginia", re.IGNORECASE)
_STACK = re.compile(r"bamboo|cedar(-14)?|container|cnb|heroku-[0-9]{2}", re.IGNORECASE)
# Heroku's older dyno sizes are a number and an X.
_SIZE = re.compile(
    r"free|eco|hobby|basic|[12]x|px|standard-[12]x|performance|(performance|private|shield)-(s|m|l|l-ram|xl|2xl)", re.IGNORECASE
)


def check_region(call: Call, region: str) -> None:
    """Accept our region silently and Heroku's with a warning. Raises Invalid for any other."""
    if region in {REGION_REF.id, REGION_REF.name}:
        return
    if not _REGION.fullmatch(region):
        raise Invalid(f"There is no region {printable(region)}.", f"Leave it out: the only one is {REGION}.")
    call.warn(f"This panel has one region, {REGION}: it is taken for {region.lower()}.")


def check_stack(call: Call, stack: str) -> None:
    """Accept our stack silently and Heroku's with a warning. Raises Invalid for any other."""
    if stack in {STACK_REF.id, STACK_REF.name}:
        return
    if not _STACK.fullmatch(stack):
        raise Invalid(f"There is no stack {printable(stack)}.", f"Leave it out: the only one is {STACK}.")
    call.warn(f"This panel has one stack, {STACK}: it is taken for {stack.lower()}.")


def check_size(call: Call, app: App, size: str | None) -> None:
    """Accept the size of the app's plan silently and Heroku's with a warning. Raises Invalid for any other."""
    if size is None or size.lower() == app.plan.name.lower():
        return
    if not _SIZE.fullmatch(size):
        raise Invalid(
            f"{app.name} is on the plan {app.plan.name}, and so are all its dynos: none can have the size {printable(size)}.",
            f"Leave the size out, or give {app.plan.name}.",
        )
    call.warn(f"All dynos of {app.name} have the size of its plan, {app.plan.name}: it is taken for {size.lower()}.")

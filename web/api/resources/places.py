"""Stacks and regions, of which a panel has one each."""

from web.api.resources.common import REGION_REF, STACK_REF, Id, Resource


class Stack(Resource):
    """The only stack."""

    id: Id = STACK_REF.id
    name: str = STACK_REF.name
    default: bool = True
    state: str = "public"


class Region(Resource):
    """The only region."""

    id: Id = REGION_REF.id
    name: str = REGION_REF.name
    description: str = "This panel"
    country: str = ""
    locale: str = ""
    private_capable: bool = False

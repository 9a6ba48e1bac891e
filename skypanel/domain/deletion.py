"""What becomes of an organization's apps when it is deleted."""

from enum import StrEnum

from skypanel.domain.account import Organization
from skypanel.domain.errors import Conflict, Invalid
from skypanel.domain.names import printable


class Fate(StrEnum):
    """All of them are destroyed, or given to another organization."""

    DESTROY = "destroy"
    REASSIGN = "reassign"


def read_fate(word: str) -> Fate:
    """Return what was chosen. Raises Invalid with what there is to choose."""
    if word not in set(Fate):
        raise Invalid(f"{printable(word)} is nothing that can become of apps.", f"Choose {Fate.DESTROY} or {Fate.REASSIGN}.")
    return Fate(word)


def check_choice(organization: Organization, apps: int, fate: Fate | None, *, to: Organization | None, confirm: str) -> None:
    """Raise Conflict where apps are in the way and nothing was chosen, Invalid where the choice is not complete."""
    if fate is None and apps:
        raise Conflict(
            f"{organization.name} has {apps} {'app' if apps == 1 else 'apps'}.",
            f"Choose what becomes of {'it' if apps == 1 else 'them'}: {Fate.DESTROY}, or {Fate.REASSIGN} to another organization.",
        )
    if fate is Fate.DESTROY and confirm != organization.name:
        raise Invalid(f"To destroy its apps, confirm with the name {organization.name}.", "Nothing was destroyed.")
    if fate is Fate.REASSIGN and (to is None or to.id == organization.id):
        raise Invalid("To reassign its apps, name another organization that gets them.", "Nothing was changed.")

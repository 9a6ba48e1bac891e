"""What happens to an organization's apps when it is deleted."""

from enum import StrEnum

from skypanel.domain.account import Organization
from skypanel.domain.errors import Conflict, Invalid
from skypanel.domain.names import printable


class OnDelete(StrEnum):
    """Whether the apps are destroyed, or move to another organization."""

    DESTROY = "destroy"
    REASSIGN = "reassign"


def read_on_delete(word: str) -> OnDelete:
    """Return the choice with this name. Raises Invalid, which lists the choices."""
    if word not in set(OnDelete):
        raise Invalid(
            f"{printable(word)} is not a valid choice for the organization's apps.", f"Choose {OnDelete.DESTROY} or {OnDelete.REASSIGN}."
        )
    return OnDelete(word)


def check_confirmed(name: str, confirm: str) -> None:
    """Raise Invalid unless the name of what is to be destroyed or stopped was typed once more."""
    if confirm != name:
        raise Invalid(f"The name to confirm with is {name}, not {printable(confirm)}.", "Nothing was changed.")


def check_choice(organization: Organization, apps: int, on_delete: OnDelete | None, *, to: Organization | None, confirm: str) -> None:
    """Raise Conflict if there are apps and no choice, Invalid if the choice is incomplete."""
    if on_delete is None and apps:
        raise Conflict(
            f"{organization.name} has {apps} {'app' if apps == 1 else 'apps'}.",
            f"Choose what happens to {'it' if apps == 1 else 'them'}: {OnDelete.DESTROY}, or {OnDelete.REASSIGN} to another organization.",
        )
    if on_delete is OnDelete.DESTROY and confirm != organization.name:
        raise Invalid(f"To destroy its apps, confirm with the name {organization.name}.", "Nothing was destroyed.")
    if on_delete is OnDelete.REASSIGN and (to is None or to.id == organization.id):
        raise Invalid("To reassign its apps, name another organization that gets them.", "Nothing was changed.")

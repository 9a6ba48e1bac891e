"""What is the same for members of an organization and collaborators of an app."""

from collections.abc import Mapping

from skypanel.domain.access import Role, read_role, runs_platform
from skypanel.domain.errors import Invalid
from skypanel.flow import people
from skypanel.flow.invitation import Invitation
from web.api.calls import Call
from web.api.resources.common import ROLE_WORDS

ALIASES: Mapping[str, str] = {heroku: role.word for role, heroku in ROLE_WORDS.items()}


def role(word: str, highest: Role = Role.OWNER) -> Role:
    """Return the role that a caller means. Raises Invalid with those there are."""
    return read_role(ALIASES.get(word, word), highest)


async def check_known(call: Call, email: str) -> None:
    """Raise Invalid for somebody without an account, unless the caller runs the platform.

    Who makes an account is told how to sign in as it: that is for nobody to do with another's address.
    """
    if await people.known(call.panel, email) is None and not runs_platform(call.account):
        raise Invalid(
            f"{email} has no account here.", "Ask an administrator of this panel to make one: `skypanel accounts invite` and that address."
        )


def invited(call: Call, invitation: Invitation) -> dict[str, str]:
    """Return the headers that tell how somebody who is new here signs in."""
    if invitation.link is None:
        return {}
    link = invitation.url(call.panel.address)
    return {
        "Warning-Message": f"{invitation.account.email} is new here. Send them this link, which signs them in once, within a day: {link}"
    }

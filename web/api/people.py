"""What members of an organization and collaborators of an app share: roles and invitations."""

from collections.abc import Mapping

from skypanel.domain.access import Role, read_role
from skypanel.flow.invitation import Invitation
from web.api.calls import Call
from web.api.resources.common import ROLE_WORDS

ALIASES: Mapping[str, str] = {heroku: role.word for role, heroku in ROLE_WORDS.items()}


def role(word: str, highest: Role = Role.OWNER) -> Role:
    """Return the role that a word names, in our words or Heroku's. Raises Invalid, which lists the roles."""
    return read_role(ALIASES.get(word, word), highest)


def invited(call: Call, invitation: Invitation) -> dict[str, str]:
    """Return the warning header with the sign-in link of a new account, or nothing if the account is not new."""
    if invitation.link is None:
        return {}
    email, link = invitation.account.email, invitation.url(call.panel.address)
    return {"Warning-Message": f"{email} has a new account. Send them this sign-in link, which works once, within a day: {link}"}

"""The texts of mails. A mail names nobody and nothing that a stranger chose, except the address that it goes to."""

from datetime import timedelta

from skypanel.domain.mail import Mail

_TURN_OFF = "Which of these mails you get is on the page Account, Notifications."
_IGNORE = "If that was not you, ignore this mail: nothing has changed."


def _span(life: timedelta) -> str:
    hours = int(life.total_seconds()) // 3600
    return "an hour" if hours == 1 else f"{hours} hours"


def invitation(to: str, url: str, life: timedelta) -> Mail:
    """Invite the owner of a new account."""
    text = f"You have an account on SkyPanel. This link signs you in, once and within {_span(life)}:\n\n{url}\n\nThen set a password.\n"
    return Mail(to, "Your account on SkyPanel", text)


def password_reset(to: str, url: str, life: timedelta) -> Mail:
    """Let somebody who forgot a password set another one."""
    text = f"Somebody asked for a new password for your account on SkyPanel. Set it here, within {_span(life)}:\n\n{url}\n\n{_IGNORE}\n"
    return Mail(to, "A new password for SkyPanel", text)


def address_to_confirm(to: str, url: str, life: timedelta) -> Mail:
    """Ask the owner of a new address whether it is theirs."""
    text = f"An account on SkyPanel is to get this address. Confirm that within {_span(life)}:\n\n{url}\n\n{_IGNORE}\n"
    return Mail(to, "Confirm your address for SkyPanel", text)


def address_taken(to: str) -> Mail:
    """Tell somebody that another account asked for the address of theirs."""
    return Mail(
        to, "Your address on SkyPanel", f"Another account on SkyPanel asked for this address, but yours has it already.\n\n{_IGNORE}\n"
    )


def address_changed(to: str, new: str) -> Mail:
    """Tell the old address of an account that it has another one."""
    text = f"Your account on SkyPanel now has the address {new}. If that was not you, tell an administrator of the panel immediately.\n"
    return Mail(to, "Your address on SkyPanel was changed", text)


def domain_lost(to: str, name: str, record: str, token: str, until: str) -> Mail:
    """Warn the owners of a domain that it has no proof any more."""
    text = (
        f"The domain {name} has lost the TXT record that proves that it is yours. Your app on SkyPanel keeps it until {until}.\n\n"
        f"Set this record again:\n\n{record} TXT {token}\n\n{_TURN_OFF}\n"
    )
    return Mail(to, f"The domain {name} is about to be released", text)


def deploy_failed(to: str, app: str, url: str) -> Mail:
    """Tell somebody that a deploy of theirs failed."""
    return Mail(to, f"The deploy of {app} failed", f"Your deploy of {app} failed. Its log says why:\n\n{url}\n\n{_TURN_OFF}\n")


def wallet_low(to: str, organization: str, hours: int, url: str) -> Mail:
    """Tell an owner that the wallet of an organization does not last long."""
    lasts = f"lasts for about {hours} hours" if hours > 1 else "is empty soon"
    text = (
        f"At the present cost of its apps, the wallet of {organization} {lasts}. Its apps stop once it is empty. "
        f"Ask an administrator of the panel for credit:\n\n{url}\n\n{_TURN_OFF}\n"
    )
    return Mail(to, f"The wallet of {organization} is low", text)


def apps_stopped(to: str, organization: str, url: str) -> Mail:
    """Tell an owner that the wallet of an organization is empty."""
    text = f"The wallet of {organization} is empty, so its apps stopped. They start again once it has credit:\n\n{url}\n\n{_TURN_OFF}\n"
    return Mail(to, f"The apps of {organization} stopped", text)


def node_inactive(to: str, node: str, why: str, url: str) -> Mail:
    """Tell an administrator that a node is inactive."""
    return Mail(to, f"The node {node} is inactive", f"{why}\n\nIts dynos start on other nodes:\n\n{url}\n\n{_TURN_OFF}\n")


def trial(to: str) -> Mail:
    """Show that mail works."""
    return Mail(to, "Mail from SkyPanel works", "An administrator asked for this mail, to see whether the settings of mail are right.\n")

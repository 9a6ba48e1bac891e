"""Alerts: problems that people should be told of without looking for them.

A rule finds problems, each with a subject. One of a rule and subject is open at a time, and is told once when it opens and once when it is
resolved.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from skypanel.domain.errors import Invalid
from skypanel.domain.ids import AlertId, AppId, DestinationId, OrganizationId
from skypanel.domain.names import printable

MAX_DESTINATIONS = 10
MAX_NAME_LENGTH = 60
MAX_URL_LENGTH = 1000
# A destination gets no more messages within an hour. What happens meanwhile is in the next one.
MOST_AN_HOUR = 10
HOUR = timedelta(hours=1)
# What one message tells in full. Of what is beyond, it says the number.
MOST_IN_A_MESSAGE = 20
PAUSES = tuple(timedelta(minutes=minutes) for minutes in (1, 2, 5, 15, 60))
GIVE_UP_AFTER = timedelta(hours=24)
KEPT = timedelta(days=90)
SILENCES = {"1h": timedelta(hours=1), "1d": timedelta(days=1), "7d": timedelta(days=7)}


class AlertKind(StrEnum):
    """The rule that an alert is from. The values are stored."""

    DEPLOY_FAILED = "deploy_failed"
    CRASH_LOOP = "crash_loop"
    MEMORY_FULL = "memory_full"
    CERTIFICATE_EXPIRING = "certificate_expiring"
    DOMAIN_LOST = "domain_lost"
    WALLET_LOW = "wallet_low"
    NODE_INACTIVE = "node_inactive"
    DISK_FULL = "disk_full"
    QUEUE_STUCK = "queue_stuck"
    PANEL_CERTIFICATE_EXPIRING = "panel_certificate_expiring"


@dataclass(frozen=True)
class Rule:
    """What a rule finds, and who is told: the organization that it concerns, or administrators of the panel."""

    title: str
    is_for_organizations: bool = True
    is_for_admins: bool = False


RULES: Mapping[AlertKind, Rule] = {
    AlertKind.DEPLOY_FAILED: Rule("The last deploy of an app failed"),
    AlertKind.CRASH_LOOP: Rule("A dyno crashes again and again"),
    AlertKind.MEMORY_FULL: Rule("A dyno uses nearly all memory of its plan"),
    AlertKind.CERTIFICATE_EXPIRING: Rule("A certificate is about to expire"),
    AlertKind.DOMAIN_LOST: Rule("A domain lost its proof", is_for_admins=True),
    AlertKind.WALLET_LOW: Rule("A wallet is low"),
    AlertKind.NODE_INACTIVE: Rule("A node is inactive", is_for_organizations=False, is_for_admins=True),
    AlertKind.DISK_FULL: Rule("The disk of a node is nearly full", is_for_organizations=False, is_for_admins=True),
    AlertKind.QUEUE_STUCK: Rule("Builds or rollouts wait, and none is worked on", is_for_organizations=False, is_for_admins=True),
    AlertKind.PANEL_CERTIFICATE_EXPIRING: Rule(
        "A certificate of the panel is about to expire", is_for_organizations=False, is_for_admins=True
    ),
}


class AlertEvent(StrEnum):
    """What is told of an alert."""

    OPENED = "opened"
    RESOLVED = "resolved"


@dataclass(frozen=True)
class Problem:
    """What a rule finds: `subject` is the name of a node or domain, or the id of an app or organization. `message` is a sentence."""

    subject: str
    message: str
    organization_id: OrganizationId | None = None
    app_id: AppId | None = None


@dataclass(frozen=True)
class Alert:
    """A problem that began at `raised_at`, was found last at `seen_at`, and ended at `resolved_at`."""

    id: AlertId
    kind: AlertKind
    subject: str
    message: str
    raised_at: datetime
    seen_at: datetime
    resolved_at: datetime | None = None
    organization_id: OrganizationId | None = None
    app_id: AppId | None = None
    silent_until: datetime | None = None


@dataclass(frozen=True)
class AlertFilter:
    """Which alerts are wanted: of an app, of an organization and its apps, or else those that administrators are told of.

    Without a kind, of all rules. `is_open` says whether only open ones.
    """

    organization_id: OrganizationId | None = None
    app_id: AppId | None = None
    kind: AlertKind | None = None
    is_open: bool = False

    @property
    def is_of_platform(self) -> bool:
        """Whether these are alerts for administrators."""
        return self.organization_id is None and self.app_id is None


@dataclass(frozen=True)
class Destination:
    """Where messages about alerts go: of an organization, or of the administrators. `service` is what shows them.

    `muted` are the rules of which it gets nothing. `error` says why the last attempt failed.
    """

    id: DestinationId
    organization_id: OrganizationId | None
    name: str
    service: str
    muted: frozenset[AlertKind]
    error: str | None
    sent_at: datetime | None
    created_at: datetime


@dataclass(frozen=True)
class Message:
    """What a destination shows."""

    title: str
    text: str = field(repr=False)


@dataclass(frozen=True)
class Telling:
    """Something that a destination is told of an alert."""

    event: AlertEvent
    kind: AlertKind
    message: str


TRIAL = Message("SkyPanel: this works", "Somebody tested this destination of alerts.")


def rules_of(*, admins: bool) -> Mapping[AlertKind, Rule]:
    """Return the rules of which administrators are told, or organizations."""
    return {kind: rule for kind, rule in RULES.items() if (rule.is_for_admins if admins else rule.is_for_organizations)}


def message(tellings: Sequence[Telling], url: str) -> Message:
    """Return one message for everything that waits for a destination, oldest first. `url` leads to its alerts."""
    lines = [f"{'Resolved' if each.event is AlertEvent.RESOLVED else 'Alert'}: {each.message}" for each in tellings]
    beyond = len(lines) - MOST_IN_A_MESSAGE
    text = [*lines[:MOST_IN_A_MESSAGE], *([f"And {beyond} more."] if beyond > 0 else []), "", url]
    return Message(_title(tellings), "\n".join(text))


def _title(tellings: Sequence[Telling]) -> str:
    opened = sum(each.event is AlertEvent.OPENED for each in tellings)
    if len(tellings) > 1:
        return f"SkyPanel: {opened} alert{'' if opened == 1 else 's'}, {len(tellings) - opened} resolved"
    return f"SkyPanel: {'' if opened else 'resolved: '}{RULES[tellings[0].kind].title}"


def pause(failures: int) -> timedelta:
    """Return how long to wait after so many failures in a row."""
    return PAUSES[min(failures, len(PAUSES)) - 1]


def read_silence(length: str) -> timedelta:
    """Return for how long nothing is to be sent. Raises Invalid."""
    if length not in SILENCES:
        raise Invalid("For how long is nothing to be sent?", f"Choose of {', '.join(SILENCES)}.")
    return SILENCES[length]


def check_name(name: str) -> str:
    """Return the name of a destination. Raises Invalid."""
    if not name or not name.isprintable() or len(name) > MAX_NAME_LENGTH:
        raise Invalid("A destination needs a name.", f"Use up to {MAX_NAME_LENGTH} printable characters.")
    return name


def check_url(url: str) -> str:
    """Return the URL or the address of a destination. Raises Invalid, whose message does not show it: it may contain a secret."""
    if not url or not url.isprintable() or len(url) > MAX_URL_LENGTH:
        raise Invalid("This is not a destination.", "Write an address for mail, or a URL of Apprise such as discord://...")
    return url


def read_kind(kind: str) -> AlertKind:
    """Return a rule by its name. Raises Invalid."""
    if kind not in set(RULES):
        raise Invalid(f"{printable(kind)} is not a rule of alerts.", f"Choose of {', '.join(RULES)}.")
    return AlertKind(kind)

"""What a user deploys."""

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from skypanel.domain.errors import Invalid
from skypanel.domain.health import HealthCheck
from skypanel.domain.http_rules import OwnHttpRules
from skypanel.domain.ids import AppId, OrganizationId, ReleaseId
from skypanel.domain.names import printable
from skypanel.domain.plan import Plan
from skypanel.domain.remote import check_branch
from skypanel.domain.suspension import Suspension

DEFAULT_DEPLOY_BRANCHES = ("main", "master")
# Pages and messages show it in commands to paste, so it must mean nothing else to a shell.
_PLAIN = re.compile(r"[A-Za-z0-9@%+=,./_-]+")


@dataclass(frozen=True)
class App:
    """An app. `number` is small, unique and never reused: the engine derives a user id from it.

    `generation` grows with each restart, which distinguishes dynos of the same release. `buildpacks` run as named, in this order; if empty,
    the build detects one. In `maintenance` the panel answers requests to its hostnames, whatever its dynos do. With a `suspension` nothing
    of it runs, for a reason that concerns its whole organization. `repository_bytes` is the size of its repository on disk at the last
    push. With `automatic_certificates`, the panel orders certificates for its domains.
    """

    id: AppId
    number: int
    name: str
    organization_id: OrganizationId
    plan: Plan
    created_at: datetime
    deploy_branch: str | None = None
    current_release_id: ReleaseId | None = None
    generation: int = 1
    health: HealthCheck = field(default_factory=HealthCheck)
    maintenance: bool = False
    buildpacks: tuple[str, ...] = ()
    suspension: Suspension | None = None
    repository_bytes: int = 0
    http: OwnHttpRules = field(default_factory=OwnHttpRules)
    automatic_certificates: bool = True

    @property
    def what_serves(self) -> str:
        """A sentence about what visitors get while a release does not go live."""
        return "The previous release is still live." if self.current_release_id else "No earlier release is live."

    @property
    def deploy_branches(self) -> tuple[str, ...]:
        """The branches whose pushes are built."""
        return (self.deploy_branch,) if self.deploy_branch else DEFAULT_DEPLOY_BRANCHES


class Listing(NamedTuple):
    """An app as one account sees it in a list. It holds plain values, because a list may have a thousand rows.

    Ids and times are text; times are RFC 3339, to the second. The owner is the member with the highest role, and among equals the one with
    the longest membership. The team is the organization; only its members see it. `released_at` and `slug_bytes` belong to the current
    release, and `repository_bytes` is the same as in App.
    """

    id: str
    name: str
    created_at: str
    maintenance: bool
    plan_name: str
    repository_bytes: int
    owner_id: str | None
    owner_email: str | None
    team_id: str | None
    team_name: str | None
    released_at: str | None
    slug_bytes: int
    deploy_branch: str | None
    automatic_certificates: bool


def check_deploy_branch(name: str) -> str:
    """Return the name of a branch that may be the deploy branch. Raises Invalid."""
    name = check_branch(name)
    if not _PLAIN.fullmatch(name):
        raise Invalid(f"{printable(name)} cannot be the deploy branch.", "Its name may have letters, digits and @ % + = , . / _ - only.")
    return name


def check_runs(app: App) -> App:
    """Return the app if it may run. Raises Unpaid if the wallet is empty, Denied if an administrator suspended the organization."""
    if app.suspension:
        raise app.suspension.refusal(app.name)
    return app

"""What a user deploys."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from skypanel.domain.health import HealthCheck
from skypanel.domain.ids import AppId, OrganizationId, ReleaseId
from skypanel.domain.plan import Plan
from skypanel.domain.suspension import Suspension

DEFAULT_DEPLOY_BRANCHES = ("main", "master")


@dataclass(frozen=True)
class App:
    """An app. `number` is small, unique and never used again: the engine derives a user id from it.

    `generation` grows with each restart, so that the dynos of one release can be told apart.
    `buildpacks` are to be used as they are named there, in this order; without any, one is detected.
    In `maintenance` the panel answers on its hostnames, whatever its dynos do.
    Nothing of one with a `suspension` runs, for a reason that concerns its whole organization.
    `repository_bytes` is what its repository held on disk at the last push.
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

    @property
    def what_serves(self) -> str:
        """What there is to say of who visits it while a release does not go live."""
        return (
            "The release before it keeps serving." if self.current_release_id else "Nothing serves yet: no release of it went live before."
        )

    def deploys(self, ref: str) -> bool:
        """Whether a push to `ref` (such as refs/heads/main) is built."""
        branches = (self.deploy_branch,) if self.deploy_branch else DEFAULT_DEPLOY_BRANCHES
        return ref in {f"refs/heads/{branch}" for branch in branches}


class Listing(NamedTuple):
    """An app as lists name it for somebody: plain, as there may be a thousand at once, its ids and times (RFC 3339, to the second) as text.

    The owner is the highest member of its organization of the longest standing, the team the organization itself, for its members only.
    `released_at` and `slug_bytes` are of the release that serves, `repository_bytes` is as in App.
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


def check_runs(app: App) -> App:
    """Return an app of which something may run. Raises Unpaid where its wallet is empty, Denied where an administrator suspended it."""
    if app.suspension:
        raise app.suspension.refusal(app.name)
    return app

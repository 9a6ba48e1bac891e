"""Apps and what belongs to them."""

from collections.abc import Iterable, Sequence

from skypanel.domain.app import App as Known
from skypanel.domain.app import Listing
from skypanel.domain.buildpack import named
from skypanel.domain.routing import Address
from web.api.resources.common import (
    GENERATION_REF,
    NOBODY,
    REGION_REF,
    STACK_REF,
    Count,
    Id,
    Named,
    Person,
    Resource,
    Time,
    Url,
)


class App(Resource, kw_only=True):
    """An app."""

    id: Id
    name: str
    acm: bool
    archived_at: None = None
    buildpack_provided_description: str | None = None
    build_stack: Named = STACK_REF
    create_status: str = "complete"
    created_at: Time
    deploy_branch: str | None
    generation: Named = GENERATION_REF
    git_url: Url
    internal_routing: None = None
    joined: bool = True
    locked: bool = False
    maintenance: bool
    owner: Person
    process_tier: str
    region: Named = REGION_REF
    organization: Named | None
    team: Named | None
    space: None = None
    released_at: Time | None
    repo_size: Count
    slug_size: Count
    stack: Named = STACK_REF
    updated_at: Time
    web_url: Url


class Timeouts(Resource):
    """Timeouts of requests, in seconds."""

    first_byte_timeout_s: int
    idle_timeout_s: int


class HttpRules(Resource):
    """How requests to an app are served: what it has chosen (null follows the panel's settings), and what is in force."""

    first_byte_timeout_s: int | None
    idle_timeout_s: int | None
    https_redirect: bool | None
    in_force: Timeouts


class Buildpack(Resource):
    """A buildpack."""

    name: str
    url: str


class BuildpackInstallation(Resource):
    """A buildpack of an app, and its position."""

    ordinal: Count
    buildpack: Buildpack


def app_ref(of: Known) -> Named:
    """Return a reference to an app."""
    return Named(id=str(of.id), name=of.name)


def app(of: Listing, address: Address) -> App:
    """Return an app."""
    return apps([of], address)[0]


def apps(listed: Iterable[Listing], address: Address) -> list[App]:
    """Return apps. What is the same for all of them is computed once, because there may be a thousand."""
    git_url, web_url = address.https_remote("%s"), address.url("%s")
    return [_app(each, git_url % each.name, web_url % each.name) for each in listed]


def _app(of: Listing, git_url: str, web_url: str) -> App:
    team = Named(id=of.team_id, name=of.team_name) if of.team_id and of.team_name else None
    return App(
        id=of.id,
        name=of.name,
        acm=of.automatic_certificates,
        created_at=of.created_at,
        deploy_branch=of.deploy_branch,
        git_url=git_url,
        maintenance=of.maintenance,
        owner=Person(id=of.owner_id, email=of.owner_email) if of.owner_id and of.owner_email else NOBODY,
        process_tier=of.plan_name.lower(),
        organization=team,
        team=team,
        released_at=of.released_at,
        repo_size=of.repository_bytes,
        slug_size=of.slug_bytes,
        updated_at=of.released_at or of.created_at,
        web_url=web_url,
    )


def buildpacks(texts: Sequence[str]) -> list[BuildpackInstallation]:
    """Return the buildpacks of an app, in their order."""
    return [BuildpackInstallation(ordinal=place, buildpack=Buildpack(name=named(text).name, url=text)) for place, text in enumerate(texts)]

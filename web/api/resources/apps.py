"""Apps and what belongs to them."""

from collections.abc import Sequence
from typing import Literal

from skypanel.domain.app import App as Known
from skypanel.domain.app import Listing
from skypanel.domain.buildpack import named
from skypanel.domain.identity import derived_id
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
    time,
)


class App(Resource, kw_only=True):
    """An app."""

    id: Id
    name: str
    acm: bool = False
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


class Domain(Resource, kw_only=True):
    """A hostname of an app."""

    id: Id
    acm_status: str | None = None
    acm_status_reason: str | None = None
    app: Named
    cname: str | None = None
    created_at: Time
    hostname: str
    kind: Literal["heroku", "custom"] = "heroku"
    sni_endpoint: None = None
    status: str = "none"
    updated_at: Time


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
    team = Named(id=of.team_id, name=of.team_name) if of.team_id and of.team_name else None
    return App(
        id=of.id,
        name=of.name,
        created_at=of.created_at,
        deploy_branch=of.deploy_branch,
        git_url=address.https_remote(of.name),
        maintenance=of.maintenance,
        owner=Person(id=of.owner_id, email=of.owner_email) if of.owner_id and of.owner_email else NOBODY,
        process_tier=of.plan_name.lower(),
        organization=team,
        team=team,
        released_at=of.released_at,
        repo_size=of.repository_bytes,
        slug_size=of.slug_bytes,
        updated_at=of.released_at or of.created_at,
        web_url=address.url(of.name),
    )


def domain(of: Known, hostname: str) -> Domain:
    """Return the platform's own hostname of an app."""
    made = time(of.created_at)
    return Domain(id=str(derived_id(of.id, "domain", hostname)), app=app_ref(of), created_at=made, hostname=hostname, updated_at=made)


def buildpacks(texts: Sequence[str]) -> list[BuildpackInstallation]:
    """Return the buildpacks of an app, in their order."""
    return [BuildpackInstallation(ordinal=place, buildpack=Buildpack(name=named(text).name, url=text)) for place, text in enumerate(texts)]

"""Collaborators, organizations, their members, and offers of apps."""

from typing import Literal

from skypanel.domain.access import Member as Known
from skypanel.domain.access import Role
from skypanel.domain.account import Account, Organization
from skypanel.domain.app import App
from skypanel.domain.identity import derived_id
from skypanel.domain.transfer import Transfer as Offer
from skypanel.domain.transfer import TransferState
from web.api.resources.apps import app_ref
from web.api.resources.common import ROLE_WORDS, Email, Id, Named, Person, Resource, RoleWord, Time, person, time

ROLE_PERMISSIONS = {1: ("view",), 2: ("view", "deploy", "operate"), 3: ("view", "deploy", "operate", "manage")}


class Permission(Resource):
    """A permission of a collaborator."""

    name: str
    description: str


class CollaboratingUser(Resource):
    """The account of a collaborator."""

    id: Id
    email: Email
    federated: bool = False


class Collaborator(Resource):
    """A person with access to an app, as a collaborator or as a member of its organization."""

    id: Id
    app: Named
    created_at: Time
    permissions: list[Permission]
    role: RoleWord
    updated_at: Time
    user: CollaboratingUser


class Team(Resource, kw_only=True):
    """An organization, with the caller's role."""

    id: Id
    name: str
    credit_card_collections: bool = False
    default: bool = False
    enterprise_account: None = None
    identity_provider: None = None
    membership_limit: int | None = None
    provisioned_licenses: bool = False
    role: RoleWord | None
    type: Literal["team"] = "team"


class TeamUser(Resource):
    """The account of a member."""

    id: Id
    email: Email
    name: str | None = None


class Member(Resource, kw_only=True):
    """A member of an organization."""

    id: Id
    created_at: Time
    email: str
    federated: bool = False
    identity_provider: None = None
    role: RoleWord
    two_factor_authentication: bool
    updated_at: Time
    user: TeamUser


class Transfer(Resource):
    """An app transfer: an offer of an app to another account."""

    id: Id
    app: Named
    created_at: Time
    owner: Person
    recipient: Person
    state: TransferState
    updated_at: Time


def collaborator_id(of: Account, app: App) -> str:
    """Return the id of a collaborator, derived from the app and the account."""
    return str(derived_id(app.id, "collaborator", of.id))


def collaborator(of: Known, app: App) -> Collaborator:
    """Return somebody who may act for an app."""
    names = ROLE_PERMISSIONS[min(of.role, max(ROLE_PERMISSIONS))]
    since = time(of.since)
    return Collaborator(
        id=collaborator_id(of.account, app),
        app=app_ref(app),
        created_at=since,
        permissions=[Permission(name=name, description="") for name in names],
        role=ROLE_WORDS[of.role],
        updated_at=since,
        user=CollaboratingUser(id=str(of.account.id), email=of.account.email),
    )


def team(of: Organization, role: Role | None) -> Team:
    """Return an organization."""
    return Team(id=str(of.id), name=of.name, role=ROLE_WORDS[role] if role else None)


def member(of: Known) -> Member:
    """Return somebody who acts for an organization."""
    since, account_id = time(of.since), str(of.account.id)
    return Member(
        id=account_id,
        created_at=since,
        email=of.account.email,
        role=ROLE_WORDS[of.role],
        two_factor_authentication=of.has_two_factor,
        updated_at=since,
        user=TeamUser(id=account_id, email=of.account.email),
    )


def transfer(of: Offer) -> Transfer:
    """Return an offer of an app."""
    return Transfer(
        id=str(of.id),
        app=Named(id=str(of.app_id), name=of.app_name),
        created_at=time(of.created_at),
        owner=person(of.sender.id, of.sender.email),
        recipient=person(of.recipient.id, of.recipient.email),
        state=of.state,
        updated_at=time(of.answered_at or of.created_at),
    )

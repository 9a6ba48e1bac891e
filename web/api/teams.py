"""Organizations, which are teams there: listing, making, their members and their apps."""

from skypanel.domain.access import Action, Member, Role
from skypanel.domain.account import Organization
from skypanel.domain.app import App
from skypanel.domain.deletion import read_fate
from skypanel.domain.errors import Invalid, NotFound
from skypanel.domain.names import printable
from skypanel.flow import apps as apps_flow
from skypanel.flow import deletion as deletion_flow
from skypanel.flow import organizations as organizations_flow
from skypanel.flow import transfer as transfer_flow
from web.api import apps, people, serializers
from web.api.calls import Call, Reply
from web.api.ranges import Page, paginate
from web.api.schema import Json, boolean, record, string

CREATE = record("name", name=string())
CREATE_APP = record(**apps.CREATE["properties"], team=string(), personal=boolean())
CHANGES = record(owner=string(), locked=boolean())
DELETE = record(apps=string(), to=string(), confirm=string())
MEMBER = record("email", "role", email=string(), role=string(), federated=boolean())


async def index(call: Call) -> Page:
    """List the caller's organizations, with its role in each."""
    mine = await organizations_flow.mine(call.panel, call.account)
    return paginate([_team(each, role) for each, role in mine], call.range, "name")


async def create(call: Call) -> Reply:
    """Make an organization, which the caller owns."""
    made = await organizations_flow.create(call.panel, call.account, call.body["name"])
    return Reply(_team(made, Role.OWNER), 201)


async def show(call: Call) -> Reply:
    """Show an organization."""
    return Reply(await _shown(call, await call.organization()))


async def delete(call: Call) -> Reply:
    """Delete an organization and show what it was; one with apps takes what becomes of them."""
    body = call.body or {}
    found = await deletion_flow.find(call.panel, call.account, call.params["team"])
    to = await deletion_flow.find_heir(call.panel, call.account, body["to"]) if "to" in body else None
    fate = read_fate(body["apps"]) if "apps" in body else None
    was = await _shown(call, found)
    await deletion_flow.delete(call.panel, found, call.account, fate, to=to, confirm=body.get("confirm", ""))
    return Reply(was)


async def none(call: Call) -> Page:
    """List what an organization has none of."""
    await call.organization()
    return Page([])


async def members(call: Call) -> Page:
    """List who acts for an organization."""
    organization = await call.organization()
    return paginate([_member(each) for each in await organizations_flow.members(call.panel, organization)], call.range, "email")


async def put_member(call: Call) -> Reply:
    """Make somebody a member, or give a member another role."""
    organization, email = await call.organization(), call.body["email"]
    if any(each.account.email == email.lower() for each in await organizations_flow.members(call.panel, organization)):
        return await change_member(call)
    await people.check_known(call, email)
    invitation = await organizations_flow.add_member(call.panel, organization, email, people.role(call.body["role"]), call.account)
    shown = await _found(call, organization, invitation.account.email)
    return Reply(_member(shown), 201, people.invited(call, invitation))


async def change_member(call: Call) -> Reply:
    """Give a member another role."""
    organization, email = await call.organization(), call.body["email"]
    await organizations_flow.change_role(call.panel, organization, email, people.role(call.body["role"]), call.account)
    return Reply(_member(await _found(call, organization, email)))


async def remove_member(call: Call) -> Reply:
    """Take a member out; everybody may leave."""
    organization = await call.organization(Action.VIEW_MEMBERS)
    found = await _found(call, organization, call.params["member"])
    await organizations_flow.remove_member(call.panel, organization, found.account.email, call.account)
    return Reply(_member(found))


async def apps_of(call: Call) -> Page:
    """List the apps of an organization."""
    return await apps.page(call, (await call.organization()).id)


async def app(call: Call) -> Reply:
    """Show an app, as its own path does."""
    return Reply(await apps.shown(call, await call.app()))


async def change_app(call: Call) -> Reply:
    """Give an app to another organization, of which the caller is an admin too; there are no locks, and asking for one is warned of."""
    found = await call.app()
    if call.body.get("locked"):
        call.warn(f"{found.name} is not locked: who may act for it, its organization's roles and its collaborators say.")
    if "owner" not in call.body:
        return Reply(await apps.shown(call, found))
    return await _transfer(call, found, call.body["owner"])


async def _transfer(call: Call, found: App, owner: str) -> Reply:
    if "@" in owner:
        raise Invalid(f"{printable(owner)} is no organization.", "An app is offered to somebody by POST /account/app-transfers.")
    to = await organizations_flow.access(call.panel, call.account, owner, Action.TRANSFER_APP)
    return Reply(await apps.shown(call, await transfer_flow.transfer(call.panel, found, to, call.account)))


async def create_app(call: Call) -> Reply:
    """Create an app in an organization."""
    body = call.body
    if "team" not in body:
        return await apps.create(call)
    apps.check_place(call)
    organization = await organizations_flow.access(call.panel, call.account, body["team"], Action.CREATE_APP)
    made = await apps_flow.create(call.panel, call.account, body.get("name") or apps.new_name(), organization_id=organization.id)
    return Reply(await apps.shown(call, made), 201)


async def _shown(call: Call, organization: Organization) -> Json:
    return _team(organization, await organizations_flow.role(call.panel, organization, call.account))


async def _found(call: Call, organization: Organization, name: str) -> Member:
    for each in await organizations_flow.members(call.panel, organization):
        if name.lower() in {each.account.email, str(each.account.id), _member(each)["id"]}:
            return each
    raise NotFound(f"{printable(name)} is no member of {organization.name}.", "`heroku members` lists them.")


def _team(organization: Organization, role: Role | None) -> Json:
    return {
        **serializers.team_ref(organization),
        "credit_card_collections": False,
        "default": False,
        "enterprise_account": None,
        "identity_provider": None,
        "membership_limit": None,
        "provisioned_licenses": False,
        "role": serializers.ROLE_WORDS[role] if role else None,
        "type": "team",
    }


def _member(of: Member) -> Json:
    return {
        "id": str(of.account.id),
        "created_at": serializers.time(of.since),
        "email": of.account.email,
        "federated": False,
        "identity_provider": None,
        "role": serializers.ROLE_WORDS[of.role],
        "two_factor_authentication": False,
        "updated_at": serializers.time(of.since),
        "user": {"id": str(of.account.id), "email": of.account.email, "name": None},
    }

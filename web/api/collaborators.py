"""Access to an app: members of its organization, and collaborators, who have access to this app only."""

from collections.abc import Sequence

from msgspec import UNSET

from skypanel.domain.access import Action, Member, Role
from skypanel.domain.app import App
from skypanel.domain.errors import Conflict, Invalid, NotFound
from skypanel.domain.names import printable
from skypanel.flow import apps as apps_flow
from skypanel.flow import collaborators as collaborators_flow
from web.api import people
from web.api.bodies import Body, Maybe, Several, Text
from web.api.calls import Call, Reply
from web.api.ranges import Page, paginate
from web.api.resources import people as resources

PERMISSIONS = {"view": Role.VIEWER, "deploy": Role.DEVELOPER, "operate": Role.DEVELOPER}


class NewCollaborator(Body):
    """A new collaborator and the permissions."""

    user: Text
    silent: bool = False
    permissions: Maybe[Several[Text]] = UNSET


class Permissions(Body):
    """The new permissions of a collaborator."""

    permissions: Several[Text]


async def index(call: Call) -> Page:
    """List the people with access to an app."""
    app = await call.app()
    found = await collaborators_flow.everybody(call.panel, app, call.account)
    return paginate([resources.collaborator(each, app) for each in found], call.range, "id")


async def show(call: Call) -> Reply:
    """Show a person with access to an app."""
    app = await call.app()
    found = await collaborators_flow.everybody(call.panel, app, call.account)
    return Reply(resources.collaborator(_named(call, app, found), app))


async def permissions(call: Call) -> Page:
    """List the permissions that collaborators can have."""
    return paginate([resources.Permission(name=name, description=f"May {name} the app.") for name in PERMISSIONS], call.range, "name")


async def add(call: Call, body: NewCollaborator) -> Reply:
    """Add a collaborator to an app."""
    app, email = await call.app(), body.user
    role = _role(body.permissions) if body.permissions is not UNSET else Role.DEVELOPER
    invitation = await collaborators_flow.add(call.panel, app, email, role, call.account)
    headers = people.invited(call, invitation)
    if body.permissions is UNSET:
        # The CLI sends permissions only for Heroku's enterprise teams. Here it drops them silently.
        headers["Warning-Message"] = " ".join(
            (f"They have the role {role.word} on {app.name}; access:update changes it.", *headers.values())
        )
    return Reply(await _shown(call, app, invitation.account.email), 201, headers)


async def change(call: Call, body: Permissions) -> Reply:
    """Change the permissions of a collaborator."""
    app, role = await call.app(), _role(body.permissions)
    email = (await _collaborator(call, app)).account.email
    await collaborators_flow.add(call.panel, app, email, role, call.account)
    return Reply(await _shown(call, app, email))


async def remove(call: Call) -> Reply:
    """Remove a collaborator. Everybody may remove themselves."""
    app = await apps_flow.access(call.panel, call.account, call.params["app"], Action.VIEW_APP)
    own = {call.account.email, str(call.account.id), resources.collaborator_id(call.account, app)}
    if call.params["collaborator"].lower() not in own:
        app = await call.app()
    found = await _collaborator(call, app)
    await collaborators_flow.remove(call.panel, app, found.account.email, call.account)
    return Reply(resources.collaborator(found, app))


def _role(names: Sequence[str]) -> Role:
    for name in names:
        if name not in PERMISSIONS:
            raise Invalid(
                f"A collaborator cannot be given the permission {printable(name)}.",
                f"Known are {', '.join(PERMISSIONS)}. For more, make them a member of the organization.",
            )
    return max((PERMISSIONS[name] for name in names), default=Role.VIEWER)


def _named(call: Call, app: App, found: Sequence[Member]) -> Member:
    requested = call.params["collaborator"].lower()
    for each in found:
        if requested in {each.account.email, str(each.account.id), resources.collaborator_id(each.account, app)}:
            return each
    raise NotFound(f"{printable(call.params['collaborator'])} has no access here.", "Run `heroku access` to list who has access.")


async def _collaborator(call: Call, app: App) -> Member:
    try:
        return _named(call, app, await collaborators_flow.of(call.panel, app))
    except NotFound:
        member = _named(call, app, await collaborators_flow.everybody(call.panel, app, call.account))
    raise Conflict(
        f"{member.account.email} has access to {app.name} as a member of its organization.",
        "Use `heroku members:set` or `members:remove`, which apply to all of its apps.",
    )


async def _shown(call: Call, app: App, email: str) -> resources.Collaborator:
    found = {each.account.email: each for each in await collaborators_flow.of(call.panel, app)}
    return resources.collaborator(found[email], app)

"""What the pages of one organization share: who may see it, and its tabs."""

from dataclasses import dataclass

from aiohttp import web

from skypanel.domain.access import Action, Role, allows
from skypanel.domain.account import Organization
from skypanel.flow import organizations
from web import forms, session
from web.keys import PANEL
from web.places import organization_tabs, organization_url
from web.rendering import page_for
from web.session import Visitor


@dataclass(frozen=True)
class Place:
    """An organization, and the visitor's role in it."""

    visitor: Visitor
    organization: Organization
    role: Role

    @property
    def url(self) -> str:
        """The URL of its overview."""
        return organization_url(self.organization)

    def may(self, action: Action) -> bool:
        """Whether the visitor's role allows an action."""
        return allows(self.role, action)


async def enter(request: web.Request, action: Action = Action.VIEW_MEMBERS) -> Place:
    """Return the organization of a URL. Raises NotFound if the visitor is not a member, Denied if the role is too low."""
    visitor = await session.visitor(request)
    organization = await organizations.access(request.app[PANEL], visitor.account, request.match_info["organization"], action)
    role = next((role for each, role in visitor.organizations if each.id == organization.id), Role.VIEWER)
    return Place(visitor, organization, role)


async def enter_by_form(request: web.Request, action: Action = Action.VIEW_MEMBERS) -> tuple[Place, forms.Fields]:
    """Return the organization of a URL, as `enter` does, and the fields of a form.

    A form is read first: whoever left by it gets its first answer when it is sent again.
    """
    await session.visitor(request)
    fields = await forms.read(request)
    return await enter(request, action), fields


def render(request: web.Request, place: Place, template: str, tab: str, status: int = 200, **values: object) -> web.Response:
    """Render a page that extends organization/frame.html; `tab` is its label in web/places.py."""
    frame = {"organization": place.organization, "here": place.url, "tab": tab, "tabs": organization_tabs(place.organization, place.role)}
    return page_for(request, place.visitor, f"organization/{template}", status, place="organization", **(frame | values))

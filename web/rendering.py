"""Pages from templates."""

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined

_TEMPLATES = Environment(loader=PackageLoader("web"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


def page(template: str, status: int = 200, **values: object) -> web.Response:
    """Return a page; pages are private and change, so nobody keeps them."""
    text = _TEMPLATES.get_template(f"{template}.html").render(values)
    return web.Response(text=text, status=status, content_type="text/html", headers={"Cache-Control": "no-store"})

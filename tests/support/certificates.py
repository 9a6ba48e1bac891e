"""An app's verified domains, and the state of their certificates, for tests of flows."""

from sqlalchemy import text

from skypanel.flow import certificates
from tests.support import factories

NAME = "www.example.com"


async def claim(panel, app, name=NAME, **options):
    """Let an app have a verified domain."""
    async with panel.transaction() as conn:
        await factories.domain(conn, app.id, name, **options)


async def execute(panel, statement, **values):
    async with panel.transaction() as conn:
        return await conn.execute(text(statement), values)


async def state(panel, name=NAME):
    return (await certificates.states(panel, [name]))[name]

"""What a monitoring system is told of the panel: a few statements, however many apps there are."""

import hmac

from skypanel.domain.errors import Denied
from skypanel.domain.monitoring import Monitored
from skypanel.flow import configured
from skypanel.ports.panel import Panel
from skypanel.store import monitoring, nodes, organizations

TOKEN = "metrics_token"  # noqa: S105 - the name of a setting


async def read(panel: Panel, token: str) -> Monitored:
    """Return the state of the panel to whoever has the token of the settings. Raises Denied."""
    async with panel.autocommit() as conn:
        expected = await configured.secret(conn, panel.cipher, TOKEN)
        if not expected or not hmac.compare_digest(token.encode(errors="surrogateescape"), expected.encode()):
            raise Denied("This needs the token of the settings.", f"Send the value of the setting {TOKEN} as a bearer token.")
        return Monitored(
            await organizations.panel_figures(conn),
            await monitoring.queues(conn),
            await nodes.all(conn),
            await monitoring.apps(conn, panel.clock.now()),
            await panel.processes.measure(),
        )

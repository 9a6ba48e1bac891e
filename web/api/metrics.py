"""What an app's dynos use."""

from skypanel.domain.metrics import Range, read_range
from skypanel.flow import metrics
from web.api.calls import Call, Reply
from web.api.resources import metrics as resources


async def show(call: Call) -> Reply:
    """Show what the dynos of an app used, in the range of time that the query names: 1h, 6h, 24h, 7d or 90d."""
    app = await call.app()
    shown = read_range(call.request.query.get("range", Range.HOUR))
    return Reply(resources.metrics(await metrics.read(call.panel, app, shown)))

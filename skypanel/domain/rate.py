"""How often an API token may be used (https://devcenter.heroku.com/articles/platform-api-reference#rate-limits)."""

from datetime import timedelta

from skypanel.domain.errors import Throttled

REQUESTS = 4500
WINDOW = timedelta(hours=1)
# What one request costs of the window: so many may come at once, and this is how fast they come back.
COST = WINDOW / REQUESTS


def remaining(debt: timedelta) -> int:
    """Return how many requests are left of a token that has used up `debt` of its window, this one counted. Raises Throttled."""
    if debt > WINDOW:
        raise Throttled(f"This API token was used more than {REQUESTS:,} times in an hour.", "Wait some seconds, then try again.")
    return int((WINDOW - debt) / COST)

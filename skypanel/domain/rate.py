"""The rate limit of API tokens (https://devcenter.heroku.com/articles/platform-api-reference#rate-limits)."""

from datetime import timedelta

from skypanel.domain.errors import Throttled

REQUESTS = 4500
WINDOW = timedelta(hours=1)
# GCRA: each request adds this to the token's debt, and the debt shrinks as time passes. REQUESTS may come at once.
COST = WINDOW / REQUESTS


def remaining(debt: timedelta) -> int:
    """Return how many requests a token has left; `debt` includes this one. Raises Throttled."""
    if debt > WINDOW:
        raise Throttled(f"This API token exceeded its rate limit of {REQUESTS:,} requests an hour.", "Wait a few seconds, then try again.")
    return int((WINDOW - debt) / COST)

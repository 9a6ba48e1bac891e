"""Maps each kind of error to its HTTP status and its id in JSON."""

from collections.abc import Mapping

from skypanel.domain.errors import CodeNeeded, Conflict, Denied, Hidden, Invalid, NotFound, SkyPanelError, Throttled, Unavailable, Unpaid
from web.api.auth import Unauthorized
from web.api.ranges import BadRange

STATUS: Mapping[type[SkyPanelError], tuple[int, str]] = {
    NotFound: (404, "not_found"),
    Hidden: (404, "not_found"),
    Conflict: (409, "conflict"),
    Denied: (403, "forbidden"),
    # The Heroku CLI asks for a code then.
    CodeNeeded: (403, "two_factor"),
    Invalid: (422, "invalid_params"),
    Unauthorized: (401, "unauthorized"),
    BadRange: (416, "range_not_satisfiable"),
    Unpaid: (402, "delinquent"),
    Throttled: (429, "rate_limit"),
    Unavailable: (503, "service_unavailable"),
}
UNEXPECTED = (500, "internal_server_error")

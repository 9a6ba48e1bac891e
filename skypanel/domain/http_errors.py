"""What visitors get, and what the app's log says, if an app does not answer a request.

The codes are Heroku's (https://devcenter.heroku.com/articles/error-codes).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from skypanel.domain.app import App
from skypanel.domain.manifest import WEB, Dyno, DynoState

MAX_FIELD = 500
MAX_PATH = 2000
# The first status that says that the fault is not the client's (RFC 9110, 15.6).
SERVER_ERROR = 500


@dataclass(frozen=True)
class HttpError:
    """A kind of error. `log` describes it in the app's log, `title` and `text` to a visitor, who may try again after `retry_after_s`.

    `status` is that of the answer.
    """

    code: str
    log: str
    title: str
    text: str
    retry_after_s: int = 5
    status: int = 503

    @property
    def page_key(self) -> str:
        """The config var with the URL of the app's own page for this error (https://devcenter.heroku.com/articles/error-pages)."""
        return "MAINTENANCE_PAGE_URL" if self.code == "H80" else "ERROR_PAGE_URL"

    @property
    def level(self) -> str:
        """How bad it is, in the app's log: what a visitor did is a warning."""
        return "error" if self.status >= SERVER_ERROR else "warning"


_FAULT = "This app has a problem"
_LATER = "Please try again in a moment."
_SLOW = "This app took too long to respond"

ERRORS: Mapping[str, HttpError] = {
    error.code: error
    for error in (
        HttpError("H10", "App crashed", _FAULT, _LATER, 10),
        HttpError("H12", "Request timeout", _SLOW, _LATER),
        HttpError("H13", "Connection closed without response", _FAULT, _LATER),
        HttpError("H14", "No web processes running", "This app is not running", "Please try again later.", 60),
        HttpError("H15", "Idle connection", _SLOW, _LATER),
        HttpError("H17", "Poorly formatted HTTP response", _FAULT, _LATER),
        HttpError("H18", "Server Request Interrupted", _FAULT, _LATER),
        HttpError("H19", "Backend connection timeout", _FAULT, _LATER),
        HttpError("H20", "App boot timeout", "This app is starting", "Please try again in a few seconds."),
        HttpError("H21", "Backend connection refused", _FAULT, _LATER),
        HttpError("H28", "Client Connection Idle", "The request did not arrive in time", _LATER, status=408),
        HttpError("H80", "Maintenance mode", "This app is down for maintenance", "Please try again in a few minutes.", 60),
        HttpError("H81", "Blank app", "There is nothing here yet", "This app has no release. Please try again later.", 60),
        HttpError("H99", "Platform error", "This app cannot be reached", _LATER),
    )
}
# No dyno answered: the state of the dynos may say more.
_NO_ANSWER = frozenset({"H13", "H19", "H21"})
# Errors after the response began, which a visitor has no page for.
AFTER_RESPONSE = frozenset({"H15", "H18"})


@dataclass(frozen=True)
class OwnPage:
    """A page of an app's own for errors, in HTML."""

    body: bytes
    charset: str


class Form(StrEnum):
    """A way to tell a client of an error."""

    HTML = "html"
    JSON = "json"
    TEXT = "text"


@dataclass(frozen=True)
class FailedRequest:
    """A request that an app did not answer, as the proxy tells of it. `accept` is the header of that name."""

    code: str
    method: str
    host: str
    path: str
    request_id: str = ""
    fwd: str = ""
    endpoint: str = ""
    protocol: str = ""
    accept: str = ""
    service_ms: str = ""


def form_of(accept: str) -> Form:
    """Return what a client wants by its Accept header. Browsers always name HTML."""
    lower = accept.lower()
    if "html" in lower:
        return Form.HTML
    return Form.JSON if "json" in lower else Form.TEXT


def with_route(code: str, dynos: Sequence[Dyno]) -> HttpError:
    """Return the error of a request that went to an app's dynos."""
    if code in _NO_ANSWER:
        return ERRORS[_by_state(dynos) or code]
    return ERRORS.get(code, ERRORS["H99"])


def without_route(app: App, web_quantity: int, dynos: Sequence[Dyno]) -> HttpError:
    """Return why an app's hostnames lead to no dyno."""
    if app.maintenance:
        return ERRORS["H80"]
    if app.current_release_id is None:
        return ERRORS["H81"]
    if app.suspension or web_quantity == 0:
        return ERRORS["H14"]
    # A dyno that is up is not in the route yet.
    return ERRORS[_by_state(dynos, absent="H20") or "H20"]


def _by_state(dynos: Sequence[Dyno], absent: str = "H14") -> str | None:
    """Return the code that the states of the web dynos explain, or None if one is up."""
    states = {dyno.state for dyno in dynos if dyno.key.process_type == WEB and dyno.state is not DynoState.STOPPING}
    if not states:
        return absent
    if DynoState.UP in states:
        return None
    return "H20" if DynoState.STARTING in states else "H10"


def log_line(error: HttpError, request: FailedRequest, dynos: Collection[Dyno]) -> str:
    """Return the line for the app's log, in the format of Heroku's router."""
    dyno = next((dyno.key.name for dyno in dynos if dyno.endpoint and dyno.endpoint == request.endpoint), "")
    service = f"{request.service_ms}ms" if request.service_ms.isdecimal() else ""
    return (
        f'at={error.level} code={error.code} desc="{error.log}" method={_word(request.method)} path="{_quoted(request.path, MAX_PATH)}" '
        f"host={_word(request.host)} request_id={_word(request.request_id)} "
        f'fwd="{_quoted(request.fwd)}" dyno={dyno} connect= service={service} '
        f"status={error.status} bytes=0 protocol={_word(request.protocol)}"
    )


def _word(text: str) -> str:
    return "".join(each for each in text[:MAX_FIELD] if each.isprintable() and each not in ' "')


def _quoted(text: str, longest: int = MAX_FIELD) -> str:
    return "".join(each for each in text[:longest] if each.isprintable()).replace("\\", "\\\\").replace('"', '\\"')

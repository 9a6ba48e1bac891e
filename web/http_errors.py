"""Answers for requests that no dyno answered: the page that a visitor gets, and the line in the app's log."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, fields

from aiohttp import web

from skypanel.domain.app import App
from skypanel.domain.errors import NotFound, SkyPanelError
from skypanel.domain.http_errors import AFTER_RESPONSE, FailedRequest, Form, HttpError, OwnPage, form_of
from skypanel.domain.ids import AppId
from skypanel.domain.manifest import Dyno
from skypanel.flow import domains, error_pages, http_errors
from skypanel.ports.panel import Panel
from web.keys import PANEL, check_proxy, host
from web.rendering import render

# How long the dynos of an app are not looked up again: errors may come by the thousand.
KNOWN_S = 1.0
# How long an app's own page is served before it is fetched again, and after what time of no use it is forgotten.
KEPT_S = 60.0
FORGOTTEN_S = 3600.0
# How much of them is remembered of all apps together.
MAX_KEPT_BYTES = 50_000_000
# How long a visitor waits for the first fetch. The proxy waits a little longer.
WAIT_S = 1.5
IS_OWN = web.ResponseKey("is_own", bool)
MAX_LINES_PER_S = 10
# Pages of errors are on apps' own hosts, so they load nothing.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

log = logging.getLogger(__name__)


@dataclass
class Recent:
    """What is remembered of one app for a second: its dynos, the URLs of its own pages, and how many lines its log got."""

    since: float
    dynos: asyncio.Task[Sequence[Dyno]]
    urls: dict[str, asyncio.Task[str]] = field(default_factory=dict)
    lines: int = 0

    async def url(self, panel: Panel, app: App, key: str) -> str:
        """Return the URL of an app's own page in a config var, or nothing."""
        if key not in self.urls:
            self.urls[key] = asyncio.create_task(error_pages.url_of(panel, app, key))
        return await asyncio.shield(self.urls[key])


@dataclass
class RecentErrors:
    """What is remembered of apps with errors in the last second."""

    of: dict[AppId, Recent] = field(default_factory=dict)

    def at(self, panel: Panel, app: App) -> Recent:
        """Return what is remembered of an app. Looks its dynos up if that is too old."""
        now = asyncio.get_running_loop().time()
        self.of = {app_id: recent for app_id, recent in self.of.items() if now - recent.since < KNOWN_S}
        if app.id not in self.of:
            self.of[app.id] = Recent(now, asyncio.create_task(_dynos(panel, app)))
        return self.of[app.id]


@dataclass
class Kept:
    """The last page that was fetched from a URL, and the fetch that may renew it."""

    url: str
    fetch: asyncio.Task[OwnPage | None]
    until: float
    page: OwnPage | None = None

    @property
    def size(self) -> int:
        """How many bytes its page has."""
        is_fetched = self.fetch.done() and not self.fetch.cancelled() and self.fetch.exception() is None
        page = (self.fetch.result() if is_fetched else None) or self.page
        return len(page.body) if page else 0


@dataclass
class OwnPages:
    """Apps' own pages, by app and config var."""

    of: dict[tuple[AppId, str], Kept] = field(default_factory=dict)

    async def page(self, panel: Panel, app: App, error: HttpError, url: str) -> OwnPage | None:
        """Return an app's own page at a URL. It is fetched at most once in KEPT_S seconds, and an older one counts meanwhile."""
        now, key = asyncio.get_running_loop().time(), (app.id, error.page_key)
        kept = self.of.get(key)
        if kept is None or kept.url != url or kept.until < now:
            last = kept.page if kept and kept.url == url else None
            if kept:
                kept.fetch.cancel()
            fetch = asyncio.create_task(error_pages.fetch(panel, app, error.page_key, url))
            kept = self.of[key] = Kept(url, fetch, now + KEPT_S, last)
            self._drop_old(now)
        await asyncio.wait({kept.fetch}, timeout=0 if kept.page else WAIT_S)
        if kept.fetch.done() and not kept.fetch.cancelled():
            kept.page = kept.fetch.result() or kept.page
        return kept.page

    def _drop_old(self, now: float) -> None:
        """Forget pages that nobody needed for long, and if the others are too large together, the oldest of them."""
        newest, self.of, size = sorted(self.of.items(), key=lambda item: item[1].until, reverse=True), {}, 0
        for key, kept in newest:
            size += kept.size
            if now - kept.until < FORGOTTEN_S and size <= MAX_KEPT_BYTES:
                self.of[key] = kept


OWN_PAGES = web.AppKey("own_pages", OwnPages)
RECENT = web.AppKey("recent_errors", RecentErrors)


async def report(request: web.Request) -> web.StreamResponse:
    """Log an error that the proxy reports, and answer with the page for the visitor."""
    check_proxy(request)
    told = await request.json()
    failed = FailedRequest(**{each.name: str(told.get(each.name, "")) for each in fields(FailedRequest)})
    app = await domains.app_at(request.app[PANEL], failed.host.partition(":")[0].lower())
    if app is None:
        raise NotFound("There is no app here.")
    answer = await of_app(request, app, failed)
    return web.Response(status=204) if failed.code in AFTER_RESPONSE else answer


async def of_visitor(request: web.Request) -> web.Response:
    """Answer a visitor of a host that leads to no dyno."""
    at, accept = host(request), request.headers.get("Accept", "")
    app = await domains.app_at(request.app[PANEL], at)
    if app is None:
        return shown(404, "There is no app here", f"No app is deployed at {at}.", form=form_of(accept))
    failed = FailedRequest(
        code="",
        method=request.method,
        host=request.host,
        path=request.rel_url.raw_path_qs,
        request_id=request.headers.get("X-Request-Id", ""),
        fwd=request.headers.get("X-Forwarded-For", ""),
        protocol=request.headers.get("X-Forwarded-Proto", ""),
        accept=accept,
    )
    return await of_app(request, app, failed)


async def of_app(request: web.Request, app: App, failed: FailedRequest) -> web.Response:
    """Return the answer to a request that failed, and log it."""
    panel = request.app[PANEL]
    recent = request.app[RECENT].at(panel, app)
    dynos = await asyncio.shield(recent.dynos)
    error = await http_errors.explain(panel, app, failed, dynos)
    recent.lines += 1
    if recent.lines <= MAX_LINES_PER_S:
        await _log(panel, app, error, failed, dynos)
    url = await recent.url(panel, app, error.page_key) if form_of(failed.accept) is Form.HTML else ""
    own = await request.app[OWN_PAGES].page(panel, app, error, url) if url else None
    return _of_app(own, error) if own else page(error, failed)


def _of_app(own: OwnPage, error: HttpError) -> web.Response:
    """Return an app's own page as the app would send it: on its own host, so none of the panel's policies apply."""
    headers = {
        "Content-Type": f"text/html; charset={own.charset}",
        "Cache-Control": "no-store",
        "Retry-After": str(error.retry_after_s),
    }
    answer = web.Response(body=own.body, status=error.status, headers=headers)
    answer[IS_OWN] = True
    return answer


def page(error: HttpError, failed: FailedRequest) -> web.Response:
    """Return the platform's own answer for an error."""
    answer = shown(error.status, error.title, error.text, code=error.code, request_id=failed.request_id, form=form_of(failed.accept))
    answer.headers["Retry-After"] = str(error.retry_after_s)
    return answer


def shown(status: int, title: str, text: str, *, code: str = "", request_id: str = "", form: Form = Form.HTML) -> web.Response:
    """Return an answer in the form that a client asks for."""
    headers = {"Cache-Control": "no-store"}
    if form is Form.JSON:
        return web.json_response({"id": code or "not_found", "message": f"{title}. {text}"}, status=status, headers=headers)
    if form is Form.TEXT:
        return web.Response(text=f"{title}. {text}\n", status=status, headers=headers)
    body = render("error", title=title, text=text, code=code, request_id=request_id)
    return web.Response(text=body, status=status, content_type="text/html", headers=headers | {"Content-Security-Policy": POLICY})


async def _dynos(panel: Panel, app: App) -> Sequence[Dyno]:
    try:
        return await panel.scheduler.dynos(app.id)
    except SkyPanelError as error:
        log.warning("The dynos of %s are unknown: %s", app.name, error)
        return ()


async def _log(panel: Panel, app: App, error: HttpError, failed: FailedRequest, dynos: Sequence[Dyno]) -> None:
    try:
        await http_errors.log(panel, app, error, failed, dynos)
    except SkyPanelError:
        log.exception("An error of %s is not in its log", app.name)

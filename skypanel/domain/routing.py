"""Routes, and the public addresses of the panel."""

from dataclasses import dataclass, field

from skypanel.domain.http_rules import HttpRules
from skypanel.domain.ids import AppId

PROXY_TOKEN_HEADER = "X-SkyPanel-Proxy-Token"  # noqa: S105 - the name of a header that authenticates the proxy

DEFAULT_RENDEZVOUS_PORT = 8444


@dataclass(frozen=True)
class Route:
    """One app's hostnames, the endpoints (host:port) that serve them, and how."""

    app_id: AppId
    hosts: tuple[str, ...]
    endpoints: tuple[str, ...]
    rules: HttpRules = field(default_factory=HttpRules)


@dataclass(frozen=True)
class Address:
    """Where users reach this panel. `domain` is the parent of all app hostnames.

    `dashboard` is the configured scheme of the dashboard; if it is empty, the domain decides.
    """

    domain: str
    ssh_port: int
    http_port: int
    https_port: int
    rendezvous_port: int = DEFAULT_RENDEZVOUS_PORT
    dashboard: str = ""

    @property
    def ports(self) -> tuple[int, ...]:
        """The public ports."""
        return (self.ssh_port, self.http_port, self.https_port, self.rendezvous_port)

    def host(self, app_name: str) -> str:
        """Return an app's hostname on the platform's own domain."""
        return f"{app_name}.{self.domain}"

    def url(self, app_name: str) -> str:
        """Return an app's URL, without the port if it is the default of HTTP."""
        port = "" if self.http_port == 80 else f":{self.http_port}"  # noqa: PLR2004 - HTTP's port (RFC 9110)
        return f"http://{self.host(app_name)}{port}/"

    @property
    def dashboard_has_tls(self) -> bool:
        """Whether the dashboard is served over HTTPS only.

        By default it is, except under localhost, whose names lead only to the same machine (RFC 6761, 6.3).
        """
        return self.dashboard == "https" if self.dashboard else f".{self.domain}".rpartition(".")[2] != "localhost"

    def dashboard_url(self) -> str:
        """Return the URL of the dashboard."""
        if not self.dashboard_has_tls:
            return self.url("skypanel")
        return f"https://{self.host('skypanel')}{self._https_suffix}/"

    @property
    def _https_suffix(self) -> str:
        return "" if self.https_port == 443 else f":{self.https_port}"  # noqa: PLR2004 - HTTPS's port (RFC 9110)

    def git_remote(self, app_name: str) -> str:
        """Return the git remote of an app over SSH."""
        return f"ssh://git@{self.domain}:{self.ssh_port}/{app_name}.git"

    def https_url(self) -> str:
        """Return the base URL of git over HTTPS, without the port if it is the default of HTTPS."""
        return f"https://{self.domain}{self._https_suffix}/"

    def https_remote(self, app_name: str) -> str:
        """Return the git remote of an app over HTTPS."""
        return f"{self.https_url()}{app_name}.git"

    @property
    def api_hosts(self) -> tuple[str, ...]:
        """The hostnames that serve the API: the domain, and `api` below it."""
        return (self.domain, self.host("api"))

    @property
    def git_hosts(self) -> tuple[str, ...]:
        """The hostnames that serve git over HTTP: the domain, and the dashboard's."""
        return (self.domain, self.host("skypanel"))

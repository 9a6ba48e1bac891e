"""Loki (https://grafana.com/docs/loki), where the log lines of apps may be stored beside the panel's files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from skypanel.domain.ids import AppId, OrganizationId
from skypanel.domain.log import LogLine
from skypanel.domain.settings import Value

SETTINGS = ("loki_url", "loki_tenant", "loki_user", "loki_password")


@dataclass(frozen=True)
class Loki:
    """A server. Each organization is a tenant of its own, unless `tenant` names one for all."""

    url: str
    tenant: str = ""
    user: str = ""
    password: str = field(default="", repr=False)

    def tenant_of(self, organization_id: OrganizationId) -> str:
        """Return the tenant that has the lines of an organization's apps."""
        return self.tenant or str(organization_id)


@dataclass(frozen=True)
class Parcel:
    """Lines of apps, in the order in which they were written. `name` tells it from others."""

    name: str
    lines: Mapping[AppId, Sequence[LogLine]]

    @property
    def size(self) -> int:
        """How many lines it has."""
        return sum(map(len, self.lines.values()))


def chosen(values: Mapping[str, Value]) -> Loki | None:
    """Return the server of the settings, or None if there is none."""
    url, tenant, user, password = (str(values[key]) for key in SETTINGS)
    return Loki(url, tenant, user, password) if url else None

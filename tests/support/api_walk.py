"""Data for tests of all API endpoints: a path and a body for each, and the checks of a refusal."""

from uuid import UUID

import msgspec
from sqlalchemy import Text, cast, func, literal, select
from sqlalchemy.dialects.postgresql import aggregate_order_by

from skypanel.store.tables.accounts import accounts, ssh_keys, tokens
from skypanel.store.tables.apps import app_transfers, applications, collaborators, formations
from skypanel.store.tables.builds import builds
from skypanel.store.tables.certificates import certificates
from skypanel.store.tables.config_vars import config_vars, config_versions
from skypanel.store.tables.domains import domains
from skypanel.store.tables.organizations import memberships, organizations
from skypanel.store.tables.releases import releases, rollouts
from skypanel.store.tables.sources import uploads
from tests.support.pairs import pair
from web.api.endpoints import Endpoint
from web.api.routes import ENDPOINTS

NOBODY = str(UUID(int=0))
PARAMS = {
    "{app}": "hello", "{key}": NOBODY, "{authorization}": NOBODY, "{type}": "web", "{dyno}": "web.1", "{release}": "1",
    "{ticket}": "x.y", "{build}": NOBODY, "{upload}": "x", "{stack}": "heroku-24",
    "{team}": "nobodys", "{member}": NOBODY, "{collaborator}": NOBODY, "{feature}": "preboot", "{drain}": NOBODY, "{domain}": NOBODY,
    "{webhook}": NOBODY, "{delivery}": NOBODY, "{event}": NOBODY, "{transfer}": NOBODY, "{account}": "outsider@example.com",
    "{plan}": "Hobby", "{certificate}": "certificate-00000000",
}  # fmt: skip
LONG = "a" * 100_000
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ7jEpZ7X4oCzGJq0cVhBqmCuTiMLTcHdWHJ0ipRGGGg dev@laptop"
CHAIN, CHAIN_KEY = pair("www.example.com")
DEEP = b"[" * 100_000
PLAIN = [endpoint for endpoint in ENDPOINTS if isinstance(endpoint, Endpoint)]
ROUTES = {f"{endpoint.method} {endpoint.path}": endpoint for endpoint in ENDPOINTS}
# A valid body for each endpoint that takes one, about the app hello and the organization Acme, which belong to the caller.
BODY = {
    "PATCH /account": {"password": "correct horse battery staple", "new_password": "another good password"},
    "POST /account/keys": {"public_key": KEY},
    "POST /account/app-transfers": {"app": "hello", "recipient": "outsider@example.com", "silent": True},
    "PATCH /account/app-transfers/{transfer}": {"state": "accepted"},
    "POST /oauth/authorizations": {"scope": ["read"], "description": "for the CI", "expires_in": 60},
    "POST /accounts": {"email": "outsider@example.com"},
    "POST /accounts/{account}/keys": {"public_key": KEY},
    "POST /accounts/{account}/authorizations": {"scope": ["read"], "description": "for the CI", "expires_in": 60},
    "POST /apps": {"name": "made", "region": "local", "stack": "heroku-24"},
    "PATCH /apps/{app}": {"name": "renamed", "maintenance": True, "build_stack": "heroku-24", "deploy_branch": "release"},
    "POST /apps/{app}/collaborators": {"user": "outsider@example.com", "silent": True, "permissions": ["view"]},
    "PUT /apps/{app}/buildpack-installations": {"updates": [{"buildpack": "heroku/python"}]},
    "POST /apps/{app}/domains": {"hostname": "www.example.com", "sni_endpoint": None},
    "PATCH /apps/{app}/domains/{domain}": {"sni_endpoint": None},
    "POST /apps/{app}/sni-endpoints": {"certificate_chain": CHAIN, "private_key": CHAIN_KEY},
    "PATCH /apps/{app}/sni-endpoints/{certificate}": {"certificate_chain": CHAIN, "private_key": CHAIN_KEY},
    "PATCH /apps/{app}/acm": {"acm_refresh": True},
    "PATCH /apps/{app}/http-rules": {"first_byte_timeout_s": 30, "idle_timeout_s": 55, "https_redirect": True},
    "PATCH /apps/{app}/config-vars": {"KEY": "a value"},
    "PATCH /apps/{app}/formation": {"updates": [{"type": "web", "quantity": 2, "size": "Standard"}]},
    "PATCH /apps/{app}/formation/{type}": {"quantity": 2, "size": "Standard"},
    "POST /apps/{app}/dynos": {
        "command": "true", "attach": False, "env": {"KEY": "a value"}, "force_no_tty": True, "size": "Standard", "time_to_live": 60,
        "type": "run",
    },
    "POST /apps/{app}/releases": {"release": 1},
    "POST /apps/{app}/builds": {
        "source_blob": {"url": f"https://localhost:8443/sources/{NOBODY}", "version": "1", "version_description": "One", "checksum": None},
        "buildpacks": [],
    },
    "POST /apps/{app}/log-drains": {"url": "https://example.com/lines"},
    "POST /apps/{app}/webhooks": {
        "url": "https://example.com/hooks", "include": ["api:build"], "level": "sync", "secret": "s3cret", "authorization": "Bearer x",
    },
    "PATCH /apps/{app}/webhooks/{webhook}": {
        "url": "https://example.com/hooks", "include": ["api:build"], "level": "notify", "secret": "s3cret", "authorization": "Bearer x",
    },
    "POST /apps/{app}/log-sessions": {
        "dyno": "web.1", "type": "web", "source": "app", "lines": 10, "tail": False,
        "since": "7d", "until": "1s", "search": "words", "regex": "w.rds", "level": "info",
    },
    "POST /plans": {"name": "Gold", "cpu_cores": "0.5", "memory_mib": 512, "max_dynos": 3, "hourly_price": "0.0300"},
    "PATCH /plans/{plan}": {"cpu_cores": "0.5", "memory_mib": 512, "max_dynos": 3, "hourly_price": "0.0300"},
    "POST /teams": {"name": "Lovelace"},
    "POST /teams/apps": {"name": "made", "team": "Acme", "personal": False, "region": "local", "stack": "heroku-24"},
    "PATCH /teams/apps/{app}": {"owner": "Acme"},
    "POST /teams/apps/{app}/collaborators": {"user": "outsider@example.com", "silent": True, "permissions": ["view"]},
    "PATCH /teams/apps/{app}/collaborators/{collaborator}": {"permissions": ["view"]},
    "PUT /teams/{team}/members": {"email": "outsider@example.com", "role": "viewer", "federated": False},
    "PATCH /teams/{team}/members": {"email": "outsider@example.com", "role": "viewer", "federated": False},
    "PATCH /teams/{team}": {"name": "Acme Works"},
    "DELETE /teams/{team}": {"apps": "destroy", "to": "Main", "confirm": "Acme"},
    "PATCH /account/features/{feature}": {"enabled": True},
    "PATCH /apps/{app}/features/{feature}": {"enabled": True},
}  # fmt: skip


def schema_of(kind):
    """Return the JSON Schema of a body, with references resolved."""
    (schema,), named = msgspec.json.schema_components([kind], ref_template="{name}")

    def spelled_out(part):
        if isinstance(part, list):
            return [spelled_out(each) for each in part]
        if not isinstance(part, dict):
            return part
        return spelled_out(named[part["$ref"]]) if "$ref" in part else {name: spelled_out(each) for name, each in part.items()}

    return spelled_out(schema)


def filled(path):
    for name, value in PARAMS.items():
        path = path.replace(name, value)
    return path


async def rows(stage):
    """Return all rows that the API writes, without the columns about a token's last use."""
    written = [
        accounts, app_transfers, applications, builds, certificates, collaborators, config_vars,
        config_versions, domains, formations, memberships, organizations, releases, rollouts,
        ssh_keys, tokens, uploads,
    ]  # fmt: skip
    async with stage.panel.transaction() as conn:
        return await conn.first(select(*map(_content, written)))


def _content(table):
    row = cast(func.row(*(column for column in table.columns if column.name not in {"busy_until", "last_used_at"})), Text)
    in_order = aggregate_order_by(literal("\n"), row)
    return select(func.string_agg(row, in_order)).select_from(table).scalar_subquery().label(table.name)


async def refused(response):
    body = await response.json()
    assert 400 <= response.status < 500, (response.status, body)
    assert body["id"]
    assert len(body["message"]) > 5
    assert body["message"][0].isupper() or body["message"][0] in "'\"" or " " in body["message"]
    assert LONG not in body["message"]

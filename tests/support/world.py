"""An app of an organization, people with every role for them, and preparations for calls. Everything can be rolled back."""

import re
from contextlib import asynccontextmanager
from copy import copy
from dataclasses import dataclass, field
from types import SimpleNamespace
from uuid import UUID, uuid4

from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from sqlalchemy import text

from skypanel.domain.access import Role
from skypanel.domain.account import Account, Organization
from skypanel.domain.alert import AlertFilter, AlertKind, Problem
from skypanel.domain.app import App
from skypanel.flow import accounts as accounts_flow
from skypanel.flow import alert_destinations, passwords, uploaded_certificates
from skypanel.flow import apps as apps_flow
from skypanel.flow import config as config_flow
from skypanel.flow import domains as domains_flow
from skypanel.flow import log_drains as log_drains_flow
from skypanel.flow import remote as remote_flow
from skypanel.flow import settings as settings_flow
from skypanel.flow import upload as upload_flow
from skypanel.flow import webhooks as webhooks_flow
from skypanel.store import accounts, alerts, audit, builds, collaborators, formation, keys, organizations, transfers, uploads
from skypanel.store.tables import metadata
from skypanel.store.tables.audit import audit_log
from tests.fixtures.api import HOST
from tests.support import factories
from tests.support.pairs import pair
from tests.support.panels import Stage
from tests.support.roles import STANDINGS, Standing
from web.api import tickets

# A config var's value, a word in a command, and a password.
SECRET, TYPED, PASSWORD = "hunter2-and-more", "a-secret-word", "correct horse battery staple"
URL = "https://example.com/ada/app.git"
DENIAL = "access.deny"
DONE = "action <> 'access.deny'"
# Hashes of all tables, without the times of last use.
FINGERPRINTS = text(
    # Denials are recorded too, and the walk checks them separately.
    f"SELECT (SELECT count(*) FROM paas_audit_log WHERE {DONE}), "
    + ", ".join(
        f"(SELECT md5(string_agg(row::text, '|' ORDER BY row::text)) FROM "
        f"(SELECT to_jsonb(t) - 'busy_until' - 'last_used_at' AS row FROM {table.name} t "
        f"WHERE {DONE if table is audit_log else 'true'}) rows)"
        for table in metadata.sorted_tables
    )
)


@dataclass
class World:
    """An app of an organization, a person for each standing, and the names that calls are filled in with.

    `written` collects the texts of refusals and audit records. None of the `secrets` may appear in it.
    """

    stage: Stage
    app: App
    team: Organization
    people: dict
    names: dict
    secrets: list = field(default_factory=lambda: [SECRET, TYPED, PASSWORD])
    written: list = field(default_factory=list)

    def of(self, standing, **more):
        """Return the world from one person's view."""
        me = self.people[standing]
        return Caller(**vars(self) | {"names": self.names | {"me": me.email}}, standing=standing, me=me, **more)

    @property
    def panel(self):
        return self.stage.panel

    @asynccontextmanager
    async def undone(self):
        """Roll back all changes at the end, in the database and in the fakes."""
        fakes = (self.panel.scheduler, self.panel.objects, self.panel.router, self.panel.queue)
        kept = [{name: copy(value) for name, value in vars(fake).items() if isinstance(value, (dict, list, set))} for fake in fakes]
        names = dict(self.names)
        async with self.panel.database.undone():
            yield
        self.names = names
        for fake, values in zip(fakes, kept, strict=True):
            vars(fake).update(values)

    async def state(self):
        """Return everything that a call may change. Its first item is the number of rows in the audit log."""
        scheduler = self.panel.scheduler
        async with self.panel.transaction() as conn:
            stored = await conn.first(FINGERPRINTS)
        return (
            *stored, dict(scheduler.running), dict(scheduler.once), len(scheduler.runs), set(self.panel.objects.stored),
            dict(self.panel.router.routes), dict(self.panel.queue.woken),
        )  # fmt: skip

    async def newest(self, count):
        """Return the newest rows of the audit log, without denials."""
        async with self.panel.transaction() as conn:
            return [row for row in await audit.recent(conn, count) if row.action != DENIAL] if count else []

    async def denials(self):
        """Return the number of denials, and the newest row if it is one."""
        async with self.panel.transaction() as conn:
            count = (await conn.first(text("SELECT count(*) AS count FROM paas_audit_log WHERE action = 'access.deny'"))).count
            return count, next((row for row in await audit.recent(conn, 1) if row.action == DENIAL), None)


@dataclass(kw_only=True)
class Caller(World):
    """The world of a caller. At the API, a token with a scope, and the application `server`."""

    standing: Standing
    me: Account
    scope: str = "global"
    token_id: UUID | None = None
    server: web.Application | None = None


def filled(value, names):
    """Fill in names, recursively."""
    if isinstance(value, str):
        return re.sub(r"\{(\w+)\}", lambda found: filled(names[found[1]], names), value)
    if isinstance(value, dict):
        return {key: filled(each, names) for key, each in value.items()}
    return value


async def make_world(stage):
    panel = stage.panel
    async with panel.transaction() as conn:
        team = await organizations.add(conn, "Acme", billed=False)
        await organizations.add_member(conn, team.id, stage.admin.id, Role.OWNER)
        others = {name: await factories.account(conn, f"{name}@example.com") for name in ("boss", "mate", "guest", "spare")}
        # The stranger is an administrator of the panel, which gives no access to others' apps.
        people = {standing: await factories.account(conn, is_admin=standing.name == "stranger") for standing in STANDINGS}
        members = [(others["boss"], Role.OWNER), (others["mate"], Role.VIEWER), *((people[each], each.in_team) for each in STANDINGS)]
        for account, role in members:
            if role:
                await organizations.add_member(conn, team.id, account.id, role)
    app = await apps_flow.create(panel, stage.admin, "hello", organization_id=team.id)
    async with panel.transaction() as conn:
        for account, role in [(others["guest"], Role.DEVELOPER), *((people[each], each.on_app) for each in STANDINGS)]:
            if role:
                await collaborators.put(conn, app.id, account.id, role)
    await stage.push(app)
    await stage.work()
    await config_flow.change(panel, app, {"TOKEN": SECRET}, stage.admin)
    await stage.work()
    async with panel.transaction() as conn:
        [build] = await builds.recent(conn, app.id, 5)
    names = {name: account.email for name, account in others.items()} | {
        "app": app.name, "team": team.name, "organization": str(team.id), "type": "web",
        "dyno": "web.1", "release": "1", "build": str(build.id), "feature": "preboot",
        "collaborator": "{guest}", "member": "{mate}", "password": PASSWORD, "secret": SECRET, "typed": TYPED, "url": URL,
        "account": "{spare}", "plan": "Hobby",
    }  # fmt: skip
    return World(stage, app, team, people, names)


# Preparations before a call.


async def _password(world):
    await passwords.reset(world.panel, world.me, PASSWORD)
    return {}


async def _key(world):
    async with world.panel.transaction() as conn:
        await keys.add(conn, world.me.id, "ssh-ed25519 AAAA", "SHA256:mine", "laptop")
    return {"key": "SHA256:mine"}


async def _token(world):
    token, secret = await accounts_flow.authorize(world.panel, world.me, "another", "read", None, by=world.me)
    world.secrets.append(secret)
    return {"authorization": str(token.id)}


async def _their_key(world):
    async with world.panel.transaction() as conn:
        spare = await accounts.by_email(conn, world.names["spare"])
        await keys.add(conn, spare.id, "ssh-ed25519 AAAA", "SHA256:theirs", "laptop")
    return {"key": "SHA256:theirs"}


async def _their_token(world):
    async with world.panel.transaction() as conn:
        spare = await accounts.by_email(conn, world.names["spare"])
    token, secret = await accounts_flow.authorize(world.panel, spare, "another", "read", None, by=spare)
    world.secrets.append(secret)
    return {"authorization": str(token.id)}


async def _offer(world):
    async with world.panel.transaction() as conn:
        mine = await organizations.add(conn, "Mine", billed=False)
        await organizations.add_member(conn, mine.id, world.me.id, Role.OWNER)
        return {"transfer": str(await transfers.add(conn, world.app.id, world.stage.admin.id, world.me.id))}


async def _own_offer(world):
    async with world.panel.transaction() as conn:
        return {"transfer": str(await transfers.add(conn, world.app.id, world.me.id, world.stage.admin.id))}


async def _target(world):
    async with world.panel.transaction() as conn:
        target = await organizations.add(conn, "Target", billed=False)
        await organizations.add_member(conn, target.id, world.me.id, Role.ADMIN)
    return {"target": target.name}


async def _shared(world):
    """Make members collaborators, too."""
    async with world.panel.transaction() as conn:
        if await organizations.role(conn, world.team.id, world.me.id):
            await collaborators.put(conn, world.app.id, world.me.id, Role.VIEWER)
    return {}


async def _upload(world):
    _, secret = await upload_flow.offer(world.panel, world.me)
    world.secrets.append(secret)
    return {"upload": secret}


async def _uploaded(world):
    source = factories.digest()
    world.panel.objects.stored["sources", source] = b"a tree"
    async with world.panel.transaction() as conn:
        added = await uploads.add(conn, world.me.id, factories.digest(), factories.later())
        assert await uploads.take(conn, added.id, source, factories.digest())
    return {"get_url": f"https://{HOST}/sources/{added.id}"}


async def _no_apps(world):
    await apps_flow.destroy(world.panel, world.app, world.stage.admin)
    return {}


async def _build(world):
    return {"build": str((await world.stage.push(world.app)).id)}


async def _remote(world):
    await remote_flow.choose(world.panel, world.app, world.stage.admin, URL)
    return {}


async def _mail(world):
    await settings_flow.change(world.panel, world.stage.admin, {"smtp_host": "localhost", "mail_sender": "panel@example.com"})
    return {}


async def _webhook(world):
    values = {"url": "https://example.com/hooks", "include": ["api:formation"], "level": "sync"}
    made, secret = await webhooks_flow.add(world.panel, world.app, world.stage.admin, values)
    world.secrets.append(secret)
    async with world.panel.transaction() as conn:
        await formation.put(conn, world.app.id, "worker", 3)
    [delivery] = await webhooks_flow.deliveries(world.panel, world.app, 1)
    return {"webhook": str(made.id), "delivery": str(delivery.id), "event": str(delivery.event_id)}


async def _log_drain(world):
    secret = "hunter2-in-a-path"
    world.secrets.append(secret)
    made = await log_drains_flow.add(world.panel, world.app, world.stage.admin, f"https://example.com/{secret}")
    return {"drain": made.token}


async def _alert(world):
    async with world.panel.transaction() as conn:
        await alerts.add(conn, AlertKind.CRASH_LOOP, Problem(str(world.app.id), "web.1 of hello crashed.", app_id=world.app.id))
        [alert] = await alerts.history(conn, AlertFilter(app_id=world.app.id), offset=0, limit=1)
    return {"alert": str(alert.id)}


async def _destination(world):
    secret = "hunter2-in-a-destination"
    world.secrets.append(secret)
    url = f"jsons://example.com/{secret}"
    made = await alert_destinations.add(world.panel, world.stage.admin, world.team, name="Operations", url=url)
    return {"destination": str(made.id)}


async def _domain(world):
    return {"domain": (await domains_flow.add(world.panel, world.app, "shop.example.com", world.stage.admin)).name}


async def _certificate(world):
    chain, key = pair("shop.example.com")
    world.secrets.append(key)
    made = await uploaded_certificates.add(world.panel, world.app, world.stage.admin, chain=chain, key=key)
    return {"certificate": made.name}


async def _not_automatic(world):
    await uploaded_certificates.automate(world.panel, world.app, world.stage.admin, on=False)
    return {}


def _ticket(kind):
    async def made(world):
        wishes = {"logs": {"lines": 5, "tail": False}, "releases": {"version": 1}, "builds": {}}[kind]
        if kind == "builds":
            wishes["build"] = world.names["build"]
        request = make_mocked_request("GET", "/", headers={"Host": HOST, "X-Forwarded-Proto": "https"}, app=world.server)
        call = SimpleNamespace(panel=world.panel, caller=SimpleNamespace(token_id=world.token_id), request=request)
        urls = [tickets.url(call, SimpleNamespace(id=app_id), kind, wishes) for app_id in (world.app.id, uuid4())]
        theirs, nobodys = [url.rpartition("/")[2] for url in urls]
        world.secrets.append(theirs)
        return {"ticket": theirs, "nobodys ticket": nobodys}

    return made


AFTER = {
    "password": _password, "key": _key, "token": _token, "offer": _offer, "own offer": _own_offer, "target": _target, "shared": _shared,
    "their key": _their_key, "their token": _their_token, "upload": _upload, "uploaded": _uploaded, "build": _build, "remote": _remote,
    "webhook": _webhook, "log drain": _log_drain, "mail": _mail,
    "alert": _alert, "destination": _destination,
    "no apps": _no_apps, "domain": _domain, "certificate": _certificate, "not automatic": _not_automatic,
    **{kind: _ticket(kind) for kind in ("logs", "releases", "builds")},
}  # fmt: skip

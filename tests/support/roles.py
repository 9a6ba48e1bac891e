"""The expected permissions, written by hand: every API call, every page and form of an app, and its audit record.

A verdict has a letter for each of STANDINGS, in order: `x` allowed, `-` role too low, `?` not found.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from skypanel.domain.access import AccountAction, Action, Role
from skypanel.domain.slug import STACK
from tests.support.archives import APP as FILES
from tests.support.archives import tgz
from tests.support.pairs import pair

DONE, DENIED, ABSENT = "x-?"
EVERYBODY, ONLY_MEMBERS = "xxxxxxx", "???xxxx"
# In the caller's own first organization. Callers without one get an error.
MAKES_APPS = "----xxx"


@dataclass(frozen=True)
class Standing:
    """Somebody's roles for an app and for the organization that owns it."""

    name: str
    in_team: Role | None = None
    on_app: Role | None = None

    def role(self, action):
        """Return the role that counts. For actions on the organization, only membership counts."""
        return self.in_team if action in TEAM_ACTIONS else max(filter(None, (self.in_team, self.on_app)), default=None)


STANDINGS = (
    Standing("stranger"),
    Standing("viewing collaborator", on_app=Role.VIEWER),
    Standing("developing collaborator", on_app=Role.DEVELOPER),
    *(Standing(role.word, in_team=role) for role in Role),
)

TEAM_ACTIONS = {
    Action.CREATE_APP,
    Action.VIEW_MEMBERS,
    Action.VIEW_ACTIVITY,
    Action.VIEW_WALLET,
    Action.MANAGE_ALERTS,
    Action.MANAGE_MEMBERS,
    Action.MANAGE_OWNERS,
    Action.RENAME_ORGANIZATION,
    Action.DELETE_ORGANIZATION,
}
VERDICTS = {
    Action.VIEW_APP: "?xxxxxx",
    Action.FETCH: "?xxxxxx",
    Action.PUSH: "?-x-xxx",
    Action.CREATE_APP: "???-xxx",
    Action.CONFIGURE_APP: "?-x-xxx",
    Action.SCALE_APP: "?-x-xxx",
    Action.MAINTAIN_APP: "?-x-xxx",
    Action.ROLL_BACK: "?-x-xxx",
    Action.RUN: "?-x-xxx",
    Action.SHARE_APP: "?----xx",
    Action.RENAME_APP: "?----xx",
    Action.DESTROY_APP: "?----xx",
    Action.TRANSFER_APP: "?----xx",
    Action.VIEW_MEMBERS: "???xxxx",
    Action.VIEW_ACTIVITY: "???xxxx",
    Action.VIEW_WALLET: "???--xx",
    Action.MANAGE_ALERTS: "???--xx",
    Action.MANAGE_MEMBERS: "???--xx",
    Action.MANAGE_OWNERS: "???---x",
    Action.RENAME_ORGANIZATION: "???---x",
    Action.DELETE_ORGANIZATION: "???---x",
    AccountAction.VIEW_ACCOUNT: EVERYBODY,
    AccountAction.CHANGE_ACCOUNT: EVERYBODY,
    # The stranger is an administrator of the panel.
    AccountAction.MANAGE_ACCOUNTS: "x------",
    AccountAction.MANAGE_PLANS: "x------",
}
# The actions that a token of each scope allows.
SCOPES = {
    "global": set(VERDICTS),
    "write": set(VERDICTS) - {AccountAction.CHANGE_ACCOUNT, AccountAction.MANAGE_ACCOUNTS, AccountAction.MANAGE_PLANS},
    "read": {Action.VIEW_APP, Action.FETCH, Action.VIEW_MEMBERS, AccountAction.VIEW_ACCOUNT},
    "identity": {AccountAction.VIEW_ACCOUNT},
}


@dataclass(frozen=True)
class Case:
    """A call and what it takes. `{names}` in it are filled in, from its own `names` first, then from the world's.

    `verdicts` replaces those of the action. `after` names a preparation. `record` is the action in the audit log, or None if nothing is
    written. `missing` is part of the message if nobody finds anything. A token with too narrow a scope gets an explicit error, unless the
    case `hides`.
    """

    method: str
    path: str
    action: Action | AccountAction
    body: object = None
    record: str | None = None
    verdicts: str | None = None
    after: str | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    missing: str | None = None
    hides: bool = False

    @property
    def name(self):
        return f"{self.method} {self.path}"

    def verdict(self, standing, scope="global"):
        if self.action not in SCOPES[scope]:
            return ABSENT if self.hides else DENIED
        return (self.verdicts or VERDICTS[self.action])[STANDINGS.index(standing)]


_APP, _TEAM, _TEAM_APP, _ACCOUNT = "/apps/{app}", "/teams/{team}", "/teams/apps/{app}", "/accounts/{account}"
_LOOK, _CHANGE, _PEOPLE = AccountAction.VIEW_ACCOUNT, AccountAction.CHANGE_ACCOUNT, AccountAction.MANAGE_ACCOUNTS
_VIEW, _SCALE, _CONFIGURE, _SHARE = Action.VIEW_APP, Action.SCALE_APP, Action.CONFIGURE_APP, Action.SHARE_APP
_MANAGE, _OWNERS, _TRANSFER = Action.MANAGE_MEMBERS, Action.MANAGE_OWNERS, Action.TRANSFER_APP
_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ7jEpZ7X4oCzGJq0cVhBqmCuTiMLTcHdWHJ0ipRGGGg me@laptop"
_NEW_PASSWORD = {"password": "{password}", "new_password": "another good password"}
_HOOK = {"url": "https://example.com/hooks", "include": ["api:release"], "level": "sync", "secret": "{secret}"}
_CHAIN, _CHAIN_KEY = pair("www.example.com")
_PAIR = {"certificate_chain": _CHAIN, "private_key": _CHAIN_KEY}
_PLANS = AccountAction.MANAGE_PLANS
_PLAN = {"name": "Gold", "cpu_cores": "0.5", "memory_mib": 512, "max_dynos": 3, "hourly_price": "0.0300"}
_SPARE, _MATE, _BOSS = "{spare}", "{mate}", "{boss}"
_OWN = {"verdicts": EVERYBODY}
_NONE_OF_APP = ("addons", "addon-attachments", "features", "ssl-endpoints")
_NONE_OF_ACCOUNT = ("/account/features", "/addons", "/addon-attachments", "/pipelines", "/pipeline-couplings")


def _adding_people(path):
    return (
        Case("GET", path, _VIEW),
        Case("POST", path, _SHARE, {"user": _SPARE}, "collaborator.add"),
        Case("DELETE", f"{path}/{{collaborator}}", _SHARE, record="collaborator.remove"),
        Case(
            *("DELETE", f"{path}/{{collaborator}}", _SHARE),
            record="collaborator.remove", verdicts="?xxxxxx", after="shared", names={"collaborator": "{me}"},
        ),
    )  # fmt: skip


API = (
    Case("GET", "/account", _LOOK),
    Case("PATCH", "/account", _CHANGE, _NEW_PASSWORD, "account.set_password", after="password"),
    Case("GET", "/users/~", _LOOK),
    Case("GET", "/account/keys", _CHANGE),
    Case("POST", "/account/keys", _CHANGE, {"public_key": _KEY}, "key.add"),
    Case("GET", "/account/keys/{key}", _CHANGE, after="key"),
    Case("DELETE", "/account/keys/{key}", _CHANGE, record="key.remove", after="key"),
    Case("GET", "/account/app-transfers", _VIEW, **_OWN),
    Case("POST", "/account/app-transfers", _TRANSFER, {"app": "{app}", "recipient": _SPARE}, "app.offer"),
    Case("GET", "/account/app-transfers/{transfer}", _VIEW, after="offer", **_OWN),
    Case("PATCH", "/account/app-transfers/{transfer}", _TRANSFER, {"state": "accepted"}, "app.transfer", after="offer", **_OWN),
    Case("PATCH", "/account/app-transfers/{transfer}", _TRANSFER, {"state": "declined"}, "app.decline", after="offer", **_OWN),
    Case("DELETE", "/account/app-transfers/{transfer}", _TRANSFER, record="app.withdraw", after="own offer", **_OWN),
    Case("POST", "/oauth/authorizations", _CHANGE, {"scope": ["read"]}, "token.add"),
    Case("GET", "/oauth/authorizations", _CHANGE),
    Case("GET", "/oauth/authorizations/~", _CHANGE, missing="no default authorization"),
    Case("GET", "/oauth/authorizations/{authorization}", _CHANGE, after="token"),
    Case("DELETE", "/oauth/authorizations/{authorization}", _CHANGE, record="token.revoke", after="token"),
    Case("DELETE", "/oauth/sessions/~", _LOOK, record="token.revoke"),
    Case("GET", "/accounts", _PEOPLE),
    Case("POST", "/accounts", _PEOPLE, {"email": _SPARE}, "account.invite"),
    Case("GET", _ACCOUNT, _PEOPLE),
    Case("POST", f"{_ACCOUNT}/actions/reset", _PEOPLE, record="account.reset"),
    *(Case("POST", f"{_ACCOUNT}/actions/{name}", _PEOPLE, record=f"account.{name}") for name in ("disable", "enable", "promote", "demote")),
    Case("GET", f"{_ACCOUNT}/keys", _PEOPLE),
    Case("POST", f"{_ACCOUNT}/keys", _PEOPLE, {"public_key": _KEY}, "key.add"),
    Case("GET", f"{_ACCOUNT}/keys/{{key}}", _PEOPLE, after="their key"),
    Case("DELETE", f"{_ACCOUNT}/keys/{{key}}", _PEOPLE, record="key.remove", after="their key"),
    Case("GET", f"{_ACCOUNT}/authorizations", _PEOPLE),
    Case("POST", f"{_ACCOUNT}/authorizations", _PEOPLE, {"scope": ["read"]}, "token.add"),
    Case("GET", f"{_ACCOUNT}/authorizations/{{authorization}}", _PEOPLE, after="their token"),
    Case("DELETE", f"{_ACCOUNT}/authorizations/{{authorization}}", _PEOPLE, record="token.revoke", after="their token"),
    Case("GET", "/apps", _VIEW, **_OWN),
    Case("GET", "/users/~/apps", _VIEW, **_OWN),
    Case("POST", "/apps", Action.CREATE_APP, {"name": "made"}, "app.create", MAKES_APPS),
    Case("GET", _APP, _VIEW),
    Case("PATCH", _APP, Action.MAINTAIN_APP, {"maintenance": True}, "app.maintenance"),
    Case("PATCH", _APP, Action.RENAME_APP, {"name": "bye"}, "app.rename"),
    Case("PATCH", _APP, _CONFIGURE, {"deploy_branch": "release"}, "app.branch"),
    Case("DELETE", _APP, Action.DESTROY_APP, record="app.destroy"),
    *_adding_people(f"{_APP}/collaborators"),
    Case("GET", f"{_APP}/collaborators/{{collaborator}}", _VIEW),
    Case("GET", f"{_APP}/buildpack-installations", _VIEW),
    Case("PUT", f"{_APP}/buildpack-installations", _CONFIGURE, {"updates": [{"buildpack": "python"}]}, "app.buildpacks"),
    Case("GET", f"{_APP}/domains", _VIEW),
    Case("POST", f"{_APP}/domains", _CONFIGURE, {"hostname": "www.example.com", "sni_endpoint": None}, "domain.add"),
    Case("GET", f"{_APP}/domains/{{domain}}", _VIEW, after="domain"),
    Case("PATCH", f"{_APP}/domains/{{domain}}", _CONFIGURE, {"sni_endpoint": None}, after="domain"),
    Case("POST", f"{_APP}/domains/{{domain}}/actions/check", _CONFIGURE, record="domain.check", after="domain"),
    Case("DELETE", f"{_APP}/domains/{{domain}}", _CONFIGURE, record="domain.remove", after="domain"),
    Case("GET", f"{_APP}/sni-endpoints", _VIEW, after="certificate"),
    Case("POST", f"{_APP}/sni-endpoints", _CONFIGURE, _PAIR, "certificate.add"),
    Case("GET", f"{_APP}/sni-endpoints/{{certificate}}", _VIEW, after="certificate"),
    Case("PATCH", f"{_APP}/sni-endpoints/{{certificate}}", _CONFIGURE, _PAIR, "certificate.change", after="certificate"),
    Case("DELETE", f"{_APP}/sni-endpoints/{{certificate}}", _CONFIGURE, record="certificate.remove", after="certificate"),
    Case("GET", f"{_APP}/acm", _VIEW),
    Case("POST", f"{_APP}/acm", _CONFIGURE, record="certificate.automate", after="not automatic"),
    Case("DELETE", f"{_APP}/acm", _CONFIGURE, record="certificate.automate"),
    Case("PATCH", f"{_APP}/acm", _CONFIGURE, {"acm_refresh": True}, "certificate.refresh"),
    Case("GET", f"{_APP}/http-rules", _VIEW),
    Case("PATCH", f"{_APP}/http-rules", _CONFIGURE, {"idle_timeout_s": 55}, "app.http"),
    Case("GET", f"{_APP}/config-vars", _VIEW),
    Case("PATCH", f"{_APP}/config-vars", _CONFIGURE, {"ANOTHER": "{secret}"}, "config.change"),
    Case("GET", f"{_APP}/formation", _VIEW),
    Case("PATCH", f"{_APP}/formation", _SCALE, {"updates": [{"type": "web", "quantity": 2}]}, "app.scale"),
    Case("GET", f"{_APP}/formation/{{type}}", _VIEW),
    Case("PATCH", f"{_APP}/formation/{{type}}", _SCALE, {"quantity": "+1"}, "app.scale"),
    Case("DELETE", f"{_APP}/formations/{{type}}", _SCALE, record="dyno.stop"),
    Case("POST", f"{_APP}/formations/{{type}}/actions/stop", _SCALE, record="dyno.stop"),
    Case("GET", f"{_APP}/dynos", _VIEW),
    Case("DELETE", f"{_APP}/dynos", _SCALE, record="app.restart"),
    Case("POST", f"{_APP}/dynos", Action.RUN, {"command": "echo {typed}", "env": {"ANOTHER": "{secret}"}}, "dyno.run"),
    Case("GET", f"{_APP}/dynos/{{dyno}}", _VIEW),
    Case("DELETE", f"{_APP}/dynos/{{dyno}}", _SCALE, record="dyno.stop"),
    Case("POST", f"{_APP}/dynos/{{dyno}}/actions/stop", _SCALE, record="dyno.stop"),
    Case("GET", f"{_APP}/metrics", _VIEW),
    Case("GET", f"{_APP}/releases", _VIEW),
    Case("POST", f"{_APP}/releases", Action.ROLL_BACK, {"release": 1}, "release.rollback"),
    Case("GET", f"{_APP}/releases/{{release}}", _VIEW),
    Case("GET", f"{_APP}/releases/{{release}}/config-vars", _VIEW),
    Case("POST", "/sources", Action.PUSH, record="upload.offer", **_OWN),
    Case("POST", f"{_APP}/sources", Action.PUSH, record="upload.offer"),
    # The URL's secret replaces a token.
    Case("PUT", "/sources/{upload}", _LOOK, tgz(FILES), "upload.take", after="upload"),
    Case("GET", f"{_APP}/builds", _VIEW),
    Case("POST", f"{_APP}/builds", Action.PUSH, {"source_blob": {"url": "{get_url}"}}, "build.request", after="uploaded"),
    Case("GET", f"{_APP}/builds/{{build}}", _VIEW),
    Case("DELETE", f"{_APP}/builds/{{build}}", Action.PUSH, record="build.cancel", after="build"),
    Case("POST", f"{_APP}/builds/{{build}}/actions/cancel", Action.PUSH, record="build.cancel", after="build"),
    Case("GET", f"{_APP}/log-drains", _CONFIGURE),
    Case("POST", f"{_APP}/log-drains", _CONFIGURE, {"url": "https://example.com/{secret}"}, "log_drain.add"),
    Case("GET", f"{_APP}/log-drains/{{drain}}", _CONFIGURE, after="log drain"),
    Case("DELETE", f"{_APP}/log-drains/{{drain}}", _CONFIGURE, record="log_drain.remove", after="log drain"),
    Case("GET", f"{_APP}/webhooks", _CONFIGURE),
    Case("POST", f"{_APP}/webhooks", _CONFIGURE, _HOOK, "webhook.add"),
    Case("GET", f"{_APP}/webhooks/{{webhook}}", _CONFIGURE, after="webhook"),
    Case("PATCH", f"{_APP}/webhooks/{{webhook}}", _CONFIGURE, {"level": "notify", "secret": "{secret}"}, "webhook.change", after="webhook"),
    Case("DELETE", f"{_APP}/webhooks/{{webhook}}", _CONFIGURE, record="webhook.remove", after="webhook"),
    Case("GET", f"{_APP}/webhook-deliveries", _CONFIGURE, after="webhook"),
    Case("GET", f"{_APP}/webhook-deliveries/{{delivery}}", _CONFIGURE, after="webhook"),
    Case("GET", f"{_APP}/webhook-events", _CONFIGURE, after="webhook"),
    Case("GET", f"{_APP}/webhook-events/{{event}}", _CONFIGURE, after="webhook"),
    Case("POST", f"{_APP}/log-sessions", _VIEW, {}),
    Case("GET", "/streams/logs/{ticket}", _VIEW, after="logs", hides=True),
    Case("GET", "/streams/releases/{ticket}", _VIEW, after="releases", hides=True),
    Case("GET", "/streams/builds/{ticket}", _VIEW, after="builds", hides=True),
    Case("GET", "/teams", Action.VIEW_MEMBERS, **_OWN),
    Case("POST", "/teams", _CHANGE, {"name": "Mine"}, "organization.create"),
    Case("GET", "/organizations", Action.VIEW_MEMBERS, **_OWN),
    Case("GET", "/teams/permissions", Action.VIEW_MEMBERS, **_OWN),
    Case("POST", "/teams/apps", Action.CREATE_APP, {"name": "made", "team": "{team}"}, "app.create"),
    Case("GET", _TEAM_APP, _VIEW),
    Case("PATCH", _TEAM_APP, _TRANSFER, {"owner": "{target}"}, "app.transfer", after="target"),
    *_adding_people(f"{_TEAM_APP}/collaborators"),
    Case("PATCH", f"{_TEAM_APP}/collaborators/{{collaborator}}", _SHARE, {"permissions": ["view"]}, "collaborator.add"),
    Case("GET", _TEAM, Action.VIEW_MEMBERS),
    Case("PATCH", _TEAM, Action.RENAME_ORGANIZATION, {"name": "Acme Works"}, "organization.rename"),
    # The stranger is an administrator of the panel, and this is the only action on others' things that it allows.
    Case("DELETE", _TEAM, Action.DELETE_ORGANIZATION, record="organization.delete", after="no apps", verdicts="x??---x"),
    Case("GET", f"{_TEAM}/apps", _VIEW, verdicts=ONLY_MEMBERS),
    Case("GET", f"{_TEAM}/members", Action.VIEW_MEMBERS),
    Case("PUT", f"{_TEAM}/members", _MANAGE, {"email": _SPARE, "role": "viewer"}, "member.add"),
    Case("PUT", f"{_TEAM}/members", _MANAGE, {"email": _MATE, "role": "developer"}, "member.change"),
    Case("PUT", f"{_TEAM}/members", _OWNERS, {"email": _SPARE, "role": "owner"}, "member.add"),
    Case("PATCH", f"{_TEAM}/members", _MANAGE, {"email": _MATE, "role": "admin"}, "member.change"),
    Case("PATCH", f"{_TEAM}/members", _OWNERS, {"email": _MATE, "role": "owner"}, "member.change"),
    Case("PATCH", f"{_TEAM}/members", _OWNERS, {"email": _BOSS, "role": "viewer"}, "member.change"),
    Case("DELETE", f"{_TEAM}/members/{{member}}", _MANAGE, record="member.remove"),
    Case("DELETE", f"{_TEAM}/members/{{member}}", _OWNERS, record="member.remove", names={"member": _BOSS}),
    Case("DELETE", f"{_TEAM}/members/{{member}}", _MANAGE, record="member.remove", names={"member": "{me}"}, verdicts=ONLY_MEMBERS),
    Case("GET", f"{_TEAM}/features", Action.VIEW_MEMBERS),
    Case("GET", f"{_TEAM}/invitations", Action.VIEW_MEMBERS),
    Case("GET", "/plans", _LOOK),
    Case("POST", "/plans", _PLANS, _PLAN, "plan.create"),
    Case("GET", "/plans/{plan}", _PLANS),
    Case("PATCH", "/plans/{plan}", _PLANS, {"hourly_price": "1.5"}, "plan.change"),
    Case("DELETE", "/plans/{plan}", _PLANS, record="plan.delete"),
    *(Case("POST", f"/plans/{{plan}}/actions/{name}", _PLANS, record=f"plan.{name}") for name in ("retire", "restore")),
    Case("GET", "/stacks", _LOOK),
    Case("GET", "/stacks/{stack}", _LOOK, names={"stack": STACK}),
    Case("GET", "/regions", _LOOK),
    Case("GET", f"{_APP}/pipeline-couplings", _VIEW, missing="is not in a pipeline"),
    Case("GET", "/account/features/{feature}", _LOOK, missing="no feature"),
    Case("PATCH", "/account/features/{feature}", _CHANGE, {"enabled": True}, missing="no feature"),
    Case("GET", f"{_APP}/features/{{feature}}", _VIEW, missing="no feature"),
    Case("PATCH", f"{_APP}/features/{{feature}}", _CONFIGURE, {"enabled": True}, missing="no feature"),
    *(Case("GET", f"{_APP}/{name}", _VIEW) for name in _NONE_OF_APP),
    *(Case("GET", path, _LOOK) for path in _NONE_OF_ACCOUNT),
    Case("GET", "/schema", _LOOK),
)

_BUILD, _RELEASE, _DEPLOY = f"{_APP}/builds/{{build}}", f"{_APP}/releases/{{release}}", f"{_APP}/deploys/{{deploy}}"
_ORGANIZATION = "/organizations/{organization}"
_PEOPLE_PAGE, _ALERTS_PAGE = f"{_ORGANIZATION}/people", f"{_ORGANIZATION}/alerts"
_ALERTS = Action.MANAGE_ALERTS
PAGES = (
    Case("GET", _APP, _VIEW),
    Case("POST", f"{_APP}/rollback", Action.ROLL_BACK, {"version": "1"}, "release.rollback"),
    Case("POST", f"{_APP}/scale", _SCALE, {"type": "web", "quantity": "2"}, "app.scale"),
    Case("POST", f"{_APP}/restart", _SCALE, {}, "app.restart"),
    Case("POST", f"{_APP}/maintenance", Action.MAINTAIN_APP, {"on": "yes"}, "app.maintenance"),
    Case("GET", f"{_APP}/settings", _VIEW),
    Case("POST", f"{_APP}/settings", _SCALE, {"do": "plan", "plan": "Pro"}, "app.plan"),
    Case("POST", f"{_APP}/settings", _CONFIGURE, {"do": "health", "path": "/up", "interval": "10"}, "app.health"),
    Case("POST", f"{_APP}/settings", _CONFIGURE, {"do": "http", "idle_timeout": "55"}, "app.http"),
    Case("POST", f"{_APP}/settings", _CONFIGURE, {"do": "buildpacks", "buildpacks": "heroku/python"}, "app.buildpacks"),
    Case("POST", f"{_APP}/settings", _CONFIGURE, {"do": "branch", "branch": "release"}, "app.branch"),
    Case("POST", f"{_APP}/settings", Action.RENAME_APP, {"do": "rename", "name": "renamed"}, "app.rename"),
    Case("POST", f"{_APP}/settings", Action.DESTROY_APP, {"do": "destroy", "confirm": "hello"}, "app.destroy"),
    Case("GET", f"{_APP}/remote", _VIEW),
    Case("POST", f"{_APP}/remote", _CONFIGURE, {"do": "save", "url": "{url}", "branch": ""}, "remote.choose"),
    Case("POST", f"{_APP}/remote", Action.PUSH, {"do": "deploy"}, "build.request", after="remote"),
    Case("POST", f"{_APP}/remote", _CONFIGURE, {"do": "key"}, "deploy_key.add"),
    Case("POST", f"{_APP}/remote", _CONFIGURE, {"do": "clear"}, "remote.clear", after="remote"),
    Case("GET", f"{_APP}/log-drains", _CONFIGURE),
    Case("POST", f"{_APP}/log-drains", _CONFIGURE, {"do": "add", "url": "https://example.com/{secret}"}, "log_drain.add"),
    Case("POST", f"{_APP}/log-drains", _CONFIGURE, {"do": "remove", "id": "{drain}"}, "log_drain.remove", after="log drain"),
    Case("GET", f"{_APP}/webhooks", _CONFIGURE),
    Case(
        *("POST", f"{_APP}/webhooks", _CONFIGURE),
        {"do": "add", "url": "https://example.com/hooks", "include.api:build": "on", "level": "sync"},
        "webhook.add",
    ),
    Case("POST", f"{_APP}/webhooks", _CONFIGURE, {"do": "rotate", "id": "{webhook}"}, "webhook.change", after="webhook"),
    Case("POST", f"{_APP}/webhooks", _CONFIGURE, {"do": "remove", "id": "{webhook}"}, "webhook.remove", after="webhook"),
    Case("GET", f"{_APP}/metrics", _VIEW),
    Case("GET", f"{_APP}/console", Action.RUN),
    Case("GET", f"{_APP}/console/socket", Action.RUN),
    Case("GET", f"{_APP}/deploys", _VIEW),
    Case("POST", _DEPLOY, Action.PUSH, {"do": "redeploy"}, "build.request", names={"deploy": "{build}"}),
    Case("POST", _DEPLOY, Action.PUSH, {"do": "cancel"}, "build.cancel", after="build", names={"deploy": "{build}"}),
    Case("POST", _DEPLOY, Action.ROLL_BACK, {"do": "rollback"}, "release.rollback", names={"deploy": "{build}"}),
    *(Case("GET", f"{_DEPLOY}{part}", _VIEW, names={"deploy": "{build}"}) for part in ("", "/events", "/log")),
    Case("GET", f"{_APP}/access", _VIEW),
    Case("POST", f"{_APP}/access", _SHARE, {"do": "add", "email": _SPARE, "role": "viewer"}, "collaborator.add"),
    Case("POST", f"{_APP}/access", _SHARE, {"do": "invite", "email": "{collaborator}"}, "account.invite", after="mail"),
    Case("POST", f"{_APP}/access", _SHARE, {"do": "remove", "email": "{collaborator}"}, "collaborator.remove"),
    Case("POST", f"{_APP}/access", _SHARE, {"do": "remove", "email": "{me}"}, "collaborator.remove", "?xxxxxx", after="shared"),
    Case("POST", f"{_APP}/access", _TRANSFER, {"do": "withdraw"}, "app.withdraw", after="own offer"),
    # Collaborators are no members.
    Case("GET", f"{_APP}/activity", _VIEW, verdicts="?--xxxx"),
    *(Case("GET", f"{path}{part}", _VIEW) for path in (_BUILD, _RELEASE) for part in ("", "/events", "/log")),
    Case("GET", f"{_APP}/environment", _VIEW),
    Case("GET", f"{_APP}/logs", _VIEW),
    Case("GET", f"{_APP}/logs/histogram", _VIEW),
    Case("GET", f"{_APP}/logs/download", _VIEW),
    Case("POST", f"{_APP}/environment", _CONFIGURE, {"do": "set", "key": "ANOTHER", "value": "{secret}"}, "config.change"),
    Case("POST", f"{_APP}/environment", _CONFIGURE, {"do": "remove", "choose.TOKEN": "on"}, "config.change"),
    Case("POST", f"{_APP}/environment", _CONFIGURE, {"do": "paste", "text": "ANOTHER={secret}"}, "config.change"),
    Case("POST", f"{_APP}/environment", _CONFIGURE, {"do": "preview", "text": "ANOTHER=1"}),
    Case("GET", f"{_APP}/domains", _VIEW, after="domain"),
    Case("POST", f"{_APP}/domains", _CONFIGURE, {"do": "add", "name": "www.example.com"}, "domain.add"),
    Case("POST", f"{_APP}/domains", _CONFIGURE, {"do": "check", "name": "{domain}"}, "domain.check", after="domain"),
    Case("POST", f"{_APP}/domains", _CONFIGURE, {"do": "remove", "name": "{domain}"}, "domain.remove", after="domain"),
    Case("POST", f"{_APP}/domains", _CONFIGURE, {"do": "upload", "chain": _CHAIN, "key": _CHAIN_KEY}, "certificate.add"),
    Case(
        *("POST", f"{_APP}/domains", _CONFIGURE, {"do": "remove certificate", "certificate": "{certificate}"}, "certificate.remove"),
        after="certificate",
    ),
    Case("POST", f"{_APP}/domains", _CONFIGURE, {"do": "automatic off"}, "certificate.automate"),
    Case("POST", f"{_APP}/domains", _CONFIGURE, {"do": "automatic on"}, "certificate.automate", after="not automatic"),
    # The stranger, an administrator, is led to the platform's page of it.
    Case("GET", _ORGANIZATION, Action.VIEW_MEMBERS, verdicts="x??xxxx"),
    *(Case("GET", f"{_ORGANIZATION}{part}", Action.VIEW_MEMBERS) for part in ("/people", "/usage", "/usage.csv", "/settings")),
    Case("GET", f"{_ORGANIZATION}/billing", Action.VIEW_WALLET),
    Case("GET", f"{_ORGANIZATION}/activity", Action.VIEW_ACTIVITY),
    Case("GET", _ALERTS_PAGE, Action.VIEW_MEMBERS, after="alert"),
    Case("POST", _ALERTS_PAGE, _ALERTS, {"do": "resolve", "id": "{alert}"}, "alert.resolve", after="alert"),
    Case("POST", _ALERTS_PAGE, _ALERTS, {"do": "silence", "id": "{alert}", "for": "1h"}, "alert.silence", after="alert"),
    Case("POST", _ALERTS_PAGE, _ALERTS, {"do": "add", "name": "Us", "url": "jsons://example.com/{secret}"}, "alert_destination.add"),
    Case("POST", _ALERTS_PAGE, _ALERTS, {"do": "rules", "id": "{destination}"}, "alert_destination.change", after="destination"),
    Case("POST", _ALERTS_PAGE, _ALERTS, {"do": "test", "id": "{destination}"}, "alert_destination.test", after="destination"),
    Case("POST", _ALERTS_PAGE, _ALERTS, {"do": "remove", "id": "{destination}"}, "alert_destination.remove", after="destination"),
    Case("POST", _PEOPLE_PAGE, _MANAGE, {"do": "add", "email": _SPARE, "role": "viewer"}, "member.add"),
    Case("POST", _PEOPLE_PAGE, _OWNERS, {"do": "add", "email": _SPARE, "role": "owner"}, "member.add"),
    Case("POST", _PEOPLE_PAGE, _MANAGE, {"do": "change", "email": _MATE, "role": "admin"}, "member.change"),
    Case("POST", _PEOPLE_PAGE, _OWNERS, {"do": "change", "email": _BOSS, "role": "viewer"}, "member.change"),
    Case("POST", _PEOPLE_PAGE, _MANAGE, {"do": "remove", "email": _MATE}, "member.remove"),
    Case("POST", _PEOPLE_PAGE, _OWNERS, {"do": "remove", "email": _BOSS}, "member.remove"),
    Case("POST", _PEOPLE_PAGE, _MANAGE, {"do": "remove", "email": "{me}"}, "member.remove", ONLY_MEMBERS),
    Case("POST", f"{_ORGANIZATION}/rename", Action.RENAME_ORGANIZATION, {"name": "Acme Works"}, "organization.rename"),
    Case("POST", f"{_ORGANIZATION}/delete", Action.DELETE_ORGANIZATION, {"confirm": "Acme"}, "organization.delete", after="no apps"),
    Case("POST", "/transfers", _TRANSFER, {"id": "{transfer}", "answer": "accepted"}, "app.transfer", after="offer", **_OWN),
    Case("POST", "/transfers", _TRANSFER, {"id": "{transfer}", "answer": "declined"}, "app.decline", after="offer", **_OWN),
)

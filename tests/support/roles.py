"""Who may do what, written down by hand: each call of the API, each page and form of an app, and what the audit log says of it.

A verdict for each of STANDINGS, in their order: `x` it is done, `-` the role is too low for it, `?` there is no such thing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from skypanel.domain.access import AccountAction, Action, Role
from skypanel.domain.slug import STACK
from tests.support.archives import APP as FILES
from tests.support.archives import tgz

DONE, DENIED, ABSENT = "x-?"
EVERYBODY, ONLY_MEMBERS = "xxxxxxx", "???xxxx"
# In one's own first organization: who has none is told so.
MAKES_APPS = "----xxx"


@dataclass(frozen=True)
class Standing:
    """How somebody stands to an app and to the organization that has it."""

    name: str
    in_team: Role | None = None
    on_app: Role | None = None

    def role(self, action):
        """The role that counts: none but a member's for what is about the organization."""
        return self.in_team if action in TEAM_ACTIONS else max(filter(None, (self.in_team, self.on_app)), default=None)


STANDINGS = (
    Standing("stranger"),
    Standing("viewing collaborator", on_app=Role.VIEWER),
    Standing("developing collaborator", on_app=Role.DEVELOPER),
    *(Standing(role.word, in_team=role) for role in Role),
)

TEAM_ACTIONS = {Action.CREATE_APP, Action.VIEW_MEMBERS, Action.MANAGE_MEMBERS, Action.MANAGE_OWNERS, Action.DELETE_ORGANIZATION}
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
    Action.MANAGE_MEMBERS: "???--xx",
    Action.MANAGE_OWNERS: "???---x",
    Action.DELETE_ORGANIZATION: "???---x",
    AccountAction.VIEW_ACCOUNT: EVERYBODY,
    AccountAction.CHANGE_ACCOUNT: EVERYBODY,
    # The stranger runs the panel.
    AccountAction.MANAGE_ACCOUNTS: "x------",
}
# What a token of each scope is good for.
SCOPES = {
    "global": set(VERDICTS),
    "write": set(VERDICTS) - {AccountAction.CHANGE_ACCOUNT, AccountAction.MANAGE_ACCOUNTS},
    "read": {Action.VIEW_APP, Action.FETCH, Action.VIEW_MEMBERS, AccountAction.VIEW_ACCOUNT},
    "identity": {AccountAction.VIEW_ACCOUNT},
}


@dataclass(frozen=True)
class Deed:
    """A call and what it takes. `{names}` in it are filled in, `names` before the world's own.

    `verdicts` are its own where the action's are not meant; `after` names what is to be there first; `record` is what the
    audit log calls it, None for what writes nothing; `missing` is said where nobody finds anything. A token whose scope
    is too narrow is told so, unless the deed `hides`.
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
_SPARE, _MATE, _BOSS = "{spare}", "{mate}", "{boss}"
_OWN = {"verdicts": EVERYBODY}
_NONE_OF_APP = ("addons", "addon-attachments", "features", "log-drains", "sni-endpoints", "ssl-endpoints", "webhooks")
_NONE_OF_ACCOUNT = ("/account/features", "/addons", "/addon-attachments", "/pipelines", "/pipeline-couplings")


def _adding_people(path):
    return (
        Deed("GET", path, _VIEW),
        Deed("POST", path, _SHARE, {"user": _SPARE}, "collaborator.add"),
        Deed("DELETE", f"{path}/{{collaborator}}", _SHARE, record="collaborator.remove"),
        Deed(
            *("DELETE", f"{path}/{{collaborator}}", _SHARE),
            record="collaborator.remove", verdicts="?xxxxxx", after="shared", names={"collaborator": "{me}"},
        ),
    )  # fmt: skip


API = (
    Deed("GET", "/account", _LOOK),
    Deed("PATCH", "/account", _CHANGE, _NEW_PASSWORD, "account.set_password", after="password"),
    Deed("GET", "/users/~", _LOOK),
    Deed("GET", "/account/keys", _CHANGE),
    Deed("POST", "/account/keys", _CHANGE, {"public_key": _KEY}, "key.add"),
    Deed("GET", "/account/keys/{key}", _CHANGE, after="key"),
    Deed("DELETE", "/account/keys/{key}", _CHANGE, record="key.remove", after="key"),
    Deed("GET", "/account/app-transfers", _VIEW, **_OWN),
    Deed("POST", "/account/app-transfers", _TRANSFER, {"app": "{app}", "recipient": _SPARE}, "app.offer"),
    Deed("GET", "/account/app-transfers/{transfer}", _VIEW, after="offer", **_OWN),
    Deed("PATCH", "/account/app-transfers/{transfer}", _TRANSFER, {"state": "accepted"}, "app.transfer", after="offer", **_OWN),
    Deed("PATCH", "/account/app-transfers/{transfer}", _TRANSFER, {"state": "declined"}, "app.decline", after="offer", **_OWN),
    Deed("DELETE", "/account/app-transfers/{transfer}", _TRANSFER, record="app.withdraw", after="own offer", **_OWN),
    Deed("POST", "/oauth/authorizations", _CHANGE, {"scope": ["read"]}, "token.add"),
    Deed("GET", "/oauth/authorizations", _CHANGE),
    Deed("GET", "/oauth/authorizations/~", _CHANGE, missing="no default authorization"),
    Deed("GET", "/oauth/authorizations/{authorization}", _CHANGE, after="token"),
    Deed("DELETE", "/oauth/authorizations/{authorization}", _CHANGE, record="token.revoke", after="token"),
    Deed("DELETE", "/oauth/sessions/~", _LOOK, record="token.revoke"),
    Deed("GET", "/accounts", _PEOPLE),
    Deed("POST", "/accounts", _PEOPLE, {"email": _SPARE}, "account.invite"),
    Deed("GET", _ACCOUNT, _PEOPLE),
    Deed("POST", f"{_ACCOUNT}/actions/reset", _PEOPLE, record="account.reset"),
    Deed("GET", f"{_ACCOUNT}/keys", _PEOPLE),
    Deed("POST", f"{_ACCOUNT}/keys", _PEOPLE, {"public_key": _KEY}, "key.add"),
    Deed("GET", f"{_ACCOUNT}/keys/{{key}}", _PEOPLE, after="their key"),
    Deed("DELETE", f"{_ACCOUNT}/keys/{{key}}", _PEOPLE, record="key.remove", after="their key"),
    Deed("GET", f"{_ACCOUNT}/authorizations", _PEOPLE),
    Deed("POST", f"{_ACCOUNT}/authorizations", _PEOPLE, {"scope": ["read"]}, "token.add"),
    Deed("GET", f"{_ACCOUNT}/authorizations/{{authorization}}", _PEOPLE, after="their token"),
    Deed("DELETE", f"{_ACCOUNT}/authorizations/{{authorization}}", _PEOPLE, record="token.revoke", after="their token"),
    Deed("GET", "/apps", _VIEW, **_OWN),
    Deed("GET", "/users/~/apps", _VIEW, **_OWN),
    Deed("POST", "/apps", Action.CREATE_APP, {"name": "made"}, "app.create", MAKES_APPS),
    Deed("GET", _APP, _VIEW),
    Deed("PATCH", _APP, Action.MAINTAIN_APP, {"maintenance": True}, "app.maintenance"),
    Deed("PATCH", _APP, Action.RENAME_APP, {"name": "bye"}, "app.rename"),
    Deed("DELETE", _APP, Action.DESTROY_APP, record="app.destroy"),
    *_adding_people(f"{_APP}/collaborators"),
    Deed("GET", f"{_APP}/collaborators/{{collaborator}}", _VIEW),
    Deed("GET", f"{_APP}/buildpack-installations", _VIEW),
    Deed("PUT", f"{_APP}/buildpack-installations", _CONFIGURE, {"updates": [{"buildpack": "python"}]}, "app.buildpacks"),
    Deed("GET", f"{_APP}/domains", _VIEW),
    Deed("GET", f"{_APP}/config-vars", _VIEW),
    Deed("PATCH", f"{_APP}/config-vars", _CONFIGURE, {"ANOTHER": "{secret}"}, "config.change"),
    Deed("GET", f"{_APP}/formation", _VIEW),
    Deed("PATCH", f"{_APP}/formation", _SCALE, {"updates": [{"type": "web", "quantity": 2}]}, "app.scale"),
    Deed("GET", f"{_APP}/formation/{{type}}", _VIEW),
    Deed("PATCH", f"{_APP}/formation/{{type}}", _SCALE, {"quantity": "+1"}, "app.scale"),
    Deed("DELETE", f"{_APP}/formations/{{type}}", _SCALE, record="dyno.stop"),
    Deed("POST", f"{_APP}/formations/{{type}}/actions/stop", _SCALE, record="dyno.stop"),
    Deed("GET", f"{_APP}/dynos", _VIEW),
    Deed("DELETE", f"{_APP}/dynos", _SCALE, record="app.restart"),
    Deed("POST", f"{_APP}/dynos", Action.RUN, {"command": "echo {typed}", "env": {"ANOTHER": "{secret}"}}, "dyno.run"),
    Deed("GET", f"{_APP}/dynos/{{dyno}}", _VIEW),
    Deed("DELETE", f"{_APP}/dynos/{{dyno}}", _SCALE, record="dyno.stop"),
    Deed("POST", f"{_APP}/dynos/{{dyno}}/actions/stop", _SCALE, record="dyno.stop"),
    Deed("GET", f"{_APP}/releases", _VIEW),
    Deed("POST", f"{_APP}/releases", Action.ROLL_BACK, {"release": 1}, "release.rollback"),
    Deed("GET", f"{_APP}/releases/{{release}}", _VIEW),
    Deed("GET", f"{_APP}/releases/{{release}}/config-vars", _VIEW),
    Deed("POST", "/sources", Action.PUSH, record="upload.offer", **_OWN),
    Deed("POST", f"{_APP}/sources", Action.PUSH, record="upload.offer"),
    # Who has the URL needs no token.
    Deed("PUT", "/sources/{upload}", _LOOK, tgz(FILES), "upload.take", after="upload"),
    Deed("GET", f"{_APP}/builds", _VIEW),
    Deed("POST", f"{_APP}/builds", Action.PUSH, {"source_blob": {"url": "{get_url}"}}, "build.request", after="uploaded"),
    Deed("GET", f"{_APP}/builds/{{build}}", _VIEW),
    Deed("DELETE", f"{_APP}/builds/{{build}}", Action.PUSH, record="build.cancel", after="build"),
    Deed("POST", f"{_APP}/builds/{{build}}/actions/cancel", Action.PUSH, record="build.cancel", after="build"),
    Deed("POST", f"{_APP}/log-sessions", _VIEW, {}),
    Deed("GET", "/streams/logs/{ticket}", _VIEW, after="logs", hides=True),
    Deed("GET", "/streams/releases/{ticket}", _VIEW, after="releases", hides=True),
    Deed("GET", "/streams/builds/{ticket}", _VIEW, after="builds", hides=True),
    Deed("GET", "/teams", Action.VIEW_MEMBERS, **_OWN),
    Deed("POST", "/teams", _CHANGE, {"name": "Mine"}, "organization.create"),
    Deed("GET", "/organizations", Action.VIEW_MEMBERS, **_OWN),
    Deed("GET", "/teams/permissions", Action.VIEW_MEMBERS, **_OWN),
    Deed("POST", "/teams/apps", Action.CREATE_APP, {"name": "made", "team": "{team}"}, "app.create"),
    Deed("GET", _TEAM_APP, _VIEW),
    Deed("PATCH", _TEAM_APP, _TRANSFER, {"owner": "{target}"}, "app.transfer", after="target"),
    *_adding_people(f"{_TEAM_APP}/collaborators"),
    Deed("PATCH", f"{_TEAM_APP}/collaborators/{{collaborator}}", _SHARE, {"permissions": ["view"]}, "collaborator.add"),
    Deed("GET", _TEAM, Action.VIEW_MEMBERS),
    # The stranger runs the panel, and may do this one thing to what is others'.
    Deed("DELETE", _TEAM, Action.DELETE_ORGANIZATION, record="organization.delete", after="no apps", verdicts="x??---x"),
    Deed("GET", f"{_TEAM}/apps", _VIEW, verdicts=ONLY_MEMBERS),
    Deed("GET", f"{_TEAM}/members", Action.VIEW_MEMBERS),
    Deed("PUT", f"{_TEAM}/members", _MANAGE, {"email": _SPARE, "role": "viewer"}, "member.add"),
    Deed("PUT", f"{_TEAM}/members", _MANAGE, {"email": _MATE, "role": "developer"}, "member.change"),
    Deed("PUT", f"{_TEAM}/members", _OWNERS, {"email": _SPARE, "role": "owner"}, "member.add"),
    Deed("PATCH", f"{_TEAM}/members", _MANAGE, {"email": _MATE, "role": "admin"}, "member.change"),
    Deed("PATCH", f"{_TEAM}/members", _OWNERS, {"email": _MATE, "role": "owner"}, "member.change"),
    Deed("PATCH", f"{_TEAM}/members", _OWNERS, {"email": _BOSS, "role": "viewer"}, "member.change"),
    Deed("DELETE", f"{_TEAM}/members/{{member}}", _MANAGE, record="member.remove"),
    Deed("DELETE", f"{_TEAM}/members/{{member}}", _OWNERS, record="member.remove", names={"member": _BOSS}),
    Deed("DELETE", f"{_TEAM}/members/{{member}}", _MANAGE, record="member.remove", names={"member": "{me}"}, verdicts=ONLY_MEMBERS),
    Deed("GET", f"{_TEAM}/features", Action.VIEW_MEMBERS),
    Deed("GET", f"{_TEAM}/invitations", Action.VIEW_MEMBERS),
    Deed("GET", "/stacks", _LOOK),
    Deed("GET", "/stacks/{stack}", _LOOK, names={"stack": STACK}),
    Deed("GET", "/regions", _LOOK),
    Deed("GET", f"{_APP}/pipeline-couplings", _VIEW, missing="is in no pipeline"),
    Deed("GET", "/account/features/{feature}", _LOOK, missing="no feature"),
    Deed("PATCH", "/account/features/{feature}", _CHANGE, {"enabled": True}, missing="no feature"),
    Deed("GET", f"{_APP}/features/{{feature}}", _VIEW, missing="no feature"),
    Deed("PATCH", f"{_APP}/features/{{feature}}", _CONFIGURE, {"enabled": True}, missing="no feature"),
    *(Deed("GET", f"{_APP}/{name}", _VIEW) for name in _NONE_OF_APP),
    *(Deed("GET", path, _LOOK) for path in _NONE_OF_ACCOUNT),
    Deed("GET", "/schema", _LOOK),
)

_BUILD, _RELEASE = f"{_APP}/builds/{{build}}", f"{_APP}/releases/{{release}}"
PAGES = (
    Deed("GET", _APP, _VIEW),
    Deed("POST", f"{_APP}/rollback", Action.ROLL_BACK, {"version": "1"}, "release.rollback"),
    Deed("POST", f"{_APP}/scale", _SCALE, {"type": "web", "quantity": "2"}, "app.scale"),
    Deed("GET", f"{_APP}/remote", _VIEW),
    Deed("POST", f"{_APP}/remote", _CONFIGURE, {"do": "save", "url": "{url}", "branch": ""}, "remote.choose"),
    Deed("POST", f"{_APP}/remote", Action.PUSH, {"do": "deploy"}, "build.request", after="remote"),
    Deed("POST", f"{_APP}/remote", _CONFIGURE, {"do": "key"}, "deploy_key.add"),
    Deed("POST", f"{_APP}/remote", _CONFIGURE, {"do": "clear"}, "remote.clear", after="remote"),
    *(Deed("GET", f"{path}{part}", _VIEW) for path in (_BUILD, _RELEASE) for part in ("", "/events", "/log")),
    Deed("POST", "/transfers", _TRANSFER, {"id": "{transfer}", "answer": "accepted"}, "app.transfer", after="offer", **_OWN),
    Deed("POST", "/transfers", _TRANSFER, {"id": "{transfer}", "answer": "declined"}, "app.decline", after="offer", **_OWN),
)

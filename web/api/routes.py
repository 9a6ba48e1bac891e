"""The table of all API endpoints."""

from skypanel.domain.access import AccountAction, Action
from web.api import (
    account,
    accounts,
    apps,
    buildpacks,
    builds,
    collaborators,
    config,
    formation,
    lists,
    log_sessions,
    one_offs,
    openapi,
    releases,
    sources,
    streams,
    teams,
    transfers,
)
from web.api.endpoints import ACCEPTED, EVENTS, NONE, TEXT, Endpoint, Gives, OpenEndpoint, made, one, page
from web.api.resources.accounts import Account, AccountEntry, Admission, Authorization, Key, Session
from web.api.resources.apps import App, BuildpackInstallation, Domain
from web.api.resources.dynos import Dyno, Formation, LogSession
from web.api.resources.people import Collaborator, Member, Permission, Team, Transfer
from web.api.resources.places import Region, Stack
from web.api.resources.releases import Build, Received, Release, Source

APP, TEAM, TEAM_APP, ACCOUNT = "/apps/{app}", "/teams/{team}", "/teams/apps/{app}", "/accounts/{account}"
_VIEW, _SCALE, _CONFIGURE = Action.VIEW_APP, Action.SCALE_APP, Action.CONFIGURE_APP
_TRANSFER = Action.TRANSFER_APP
_MEMBERS, _MANAGE = Action.VIEW_MEMBERS, Action.MANAGE_MEMBERS
_LOOK, _CHANGE, _PEOPLE = AccountAction.VIEW_ACCOUNT, AccountAction.CHANGE_ACCOUNT, AccountAction.MANAGE_ACCOUNTS
_NONE_OF_APP = ("addons", "addon-attachments", "features", "log-drains", "sni-endpoints", "ssl-endpoints", "webhooks")
_NONE = ("/account/features", "/addons", "/addon-attachments", "/pipelines", "/pipeline-couplings")

_DESCRIBED: tuple[Endpoint | OpenEndpoint, ...] = (
    Endpoint("GET", "/account", _LOOK, account.show, gives=one(Account)),
    Endpoint("PATCH", "/account", _CHANGE, account.change, takes=account.NewPassword, gives=one(Account)),
    Endpoint("GET", "/users/~", _LOOK, account.show, gives=one(Account)),
    Endpoint("GET", "/account/keys", _CHANGE, account.list_keys, gives=page(Key)),
    Endpoint("POST", "/account/keys", _CHANGE, account.add_key, takes=account.NewKey, gives=made(Key)),
    Endpoint("GET", "/account/keys/{key}", _CHANGE, account.show_key, gives=one(Key)),
    Endpoint("DELETE", "/account/keys/{key}", _CHANGE, account.remove_key, gives=one(Key)),
    Endpoint("GET", "/account/app-transfers", _VIEW, transfers.index, gives=page(Transfer)),
    Endpoint("POST", "/account/app-transfers", _TRANSFER, transfers.create, takes=transfers.NewTransfer, gives=made(Transfer)),
    Endpoint("GET", "/account/app-transfers/{transfer}", _VIEW, transfers.show, gives=one(Transfer)),
    Endpoint(
        "PATCH", "/account/app-transfers/{transfer}", _TRANSFER, transfers.answer, takes=transfers.TransferAnswer, gives=one(Transfer)
    ),
    Endpoint("DELETE", "/account/app-transfers/{transfer}", _TRANSFER, transfers.withdraw, gives=one(Transfer)),
    OpenEndpoint("POST", "/oauth/authorizations", account.authorize, takes=account.NewAuthorization, gives=made(Authorization)),
    Endpoint("GET", "/oauth/authorizations", _CHANGE, account.authorizations, gives=page(Authorization)),
    Endpoint("GET", "/oauth/authorizations/~", _CHANGE, account.no_default_authorization),
    Endpoint("GET", "/oauth/authorizations/{authorization}", _CHANGE, account.authorization, gives=one(Authorization)),
    Endpoint("DELETE", "/oauth/authorizations/{authorization}", _CHANGE, account.revoke, gives=one(Authorization)),
    Endpoint("DELETE", "/oauth/sessions/~", _LOOK, account.end_session, gives=one(Session)),
    Endpoint("GET", "/accounts", _PEOPLE, accounts.index, gives=page(AccountEntry)),
    Endpoint("POST", "/accounts", _PEOPLE, accounts.invite, takes=accounts.Invitee, gives=made(Admission)),
    Endpoint("GET", ACCOUNT, _PEOPLE, accounts.show, gives=one(AccountEntry)),
    Endpoint("POST", f"{ACCOUNT}/actions/reset", _PEOPLE, accounts.reset, gives=one(Admission)),
    Endpoint("GET", f"{ACCOUNT}/keys", _PEOPLE, account.list_keys, gives=page(Key)),
    Endpoint("POST", f"{ACCOUNT}/keys", _PEOPLE, account.add_key, takes=account.NewKey, gives=made(Key)),
    Endpoint("GET", f"{ACCOUNT}/keys/{{key}}", _PEOPLE, account.show_key, gives=one(Key)),
    Endpoint("DELETE", f"{ACCOUNT}/keys/{{key}}", _PEOPLE, account.remove_key, gives=one(Key)),
    Endpoint("GET", f"{ACCOUNT}/authorizations", _PEOPLE, account.authorizations, gives=page(Authorization)),
    Endpoint(
        "POST", f"{ACCOUNT}/authorizations", _PEOPLE, account.authorize_other, takes=account.NewAuthorization, gives=made(Authorization)
    ),
    Endpoint("GET", f"{ACCOUNT}/authorizations/{{authorization}}", _PEOPLE, account.authorization, gives=one(Authorization)),
    Endpoint("DELETE", f"{ACCOUNT}/authorizations/{{authorization}}", _PEOPLE, account.revoke, gives=one(Authorization)),
    Endpoint("GET", "/apps", _VIEW, apps.index, gives=page(App)),
    Endpoint("GET", "/users/~/apps", _VIEW, apps.index, gives=page(App)),
    Endpoint("POST", "/apps", Action.CREATE_APP, apps.create, takes=apps.NewApp, gives=made(App)),
    Endpoint("GET", APP, _VIEW, apps.show, gives=one(App)),
    Endpoint("PATCH", APP, Action.MAINTAIN_APP, apps.change, takes=apps.AppChange, gives=one(App)),
    Endpoint("DELETE", APP, Action.DESTROY_APP, apps.destroy, gives=one(App)),
    Endpoint("GET", f"{APP}/collaborators", _VIEW, collaborators.index, gives=page(Collaborator)),
    Endpoint(
        "POST", f"{APP}/collaborators", Action.SHARE_APP, collaborators.add, takes=collaborators.NewCollaborator, gives=made(Collaborator)
    ),
    Endpoint("GET", f"{APP}/collaborators/{{collaborator}}", _VIEW, collaborators.show, gives=one(Collaborator)),
    Endpoint("DELETE", f"{APP}/collaborators/{{collaborator}}", Action.SHARE_APP, collaborators.remove, gives=one(Collaborator)),
    Endpoint("GET", f"{APP}/buildpack-installations", _VIEW, buildpacks.index, gives=page(BuildpackInstallation)),
    Endpoint(
        "PUT",
        f"{APP}/buildpack-installations",
        _CONFIGURE,
        buildpacks.choose,
        takes=buildpacks.Choices,
        gives=one(list[BuildpackInstallation]),
    ),
    Endpoint("GET", f"{APP}/domains", _VIEW, apps.domains, gives=page(Domain)),
    Endpoint("GET", f"{APP}/config-vars", _VIEW, config.show, gives=one(config.ConfigVars)),
    Endpoint("PATCH", f"{APP}/config-vars", _CONFIGURE, config.change, takes=config.Changes, gives=one(config.ConfigVars)),
    Endpoint("GET", f"{APP}/formation", _VIEW, formation.index, gives=page(Formation)),
    Endpoint("PATCH", f"{APP}/formation", _SCALE, formation.update, takes=formation.Scalings, gives=one(list[Formation])),
    Endpoint("GET", f"{APP}/formation/{{type}}", _VIEW, formation.show, gives=one(Formation)),
    Endpoint("PATCH", f"{APP}/formation/{{type}}", _SCALE, formation.update_one, takes=formation.Scaling, gives=one(Formation)),
    Endpoint("DELETE", f"{APP}/formations/{{type}}", _SCALE, formation.stop_type, gives=ACCEPTED),
    Endpoint("POST", f"{APP}/formations/{{type}}/actions/stop", _SCALE, formation.stop_type, gives=ACCEPTED),
    Endpoint("GET", f"{APP}/dynos", _VIEW, formation.dynos, gives=page(Dyno)),
    Endpoint("DELETE", f"{APP}/dynos", _SCALE, formation.restart, gives=ACCEPTED),
    Endpoint("POST", f"{APP}/dynos", Action.RUN, one_offs.create, takes=one_offs.NewDyno, gives=made(Dyno)),
    Endpoint("GET", f"{APP}/dynos/{{dyno}}", _VIEW, formation.dyno, gives=one(Dyno)),
    Endpoint("DELETE", f"{APP}/dynos/{{dyno}}", _SCALE, formation.stop_dyno, gives=ACCEPTED),
    Endpoint("POST", f"{APP}/dynos/{{dyno}}/actions/stop", _SCALE, formation.stop_dyno, gives=ACCEPTED),
    Endpoint("GET", f"{APP}/releases", _VIEW, releases.index, gives=page(Release)),
    Endpoint("POST", f"{APP}/releases", Action.ROLL_BACK, releases.roll_back, takes=releases.Rollback, gives=made(Release)),
    Endpoint("GET", f"{APP}/releases/{{release}}", _VIEW, releases.show, gives=one(Release)),
    Endpoint("GET", f"{APP}/releases/{{release}}/config-vars", _VIEW, config.of_release, gives=one(config.ConfigVars)),
    Endpoint("POST", "/sources", Action.PUSH, sources.create, gives=made(Source)),
    Endpoint("POST", f"{APP}/sources", Action.PUSH, sources.create_for_app, gives=made(Source)),
    OpenEndpoint("PUT", "/sources/{upload}", sources.put, gives=one(Received), is_upload=True),
    Endpoint("GET", f"{APP}/builds", _VIEW, builds.index, gives=page(Build)),
    Endpoint("POST", f"{APP}/builds", Action.PUSH, builds.create, takes=builds.NewBuild, gives=made(Build)),
    Endpoint("GET", f"{APP}/builds/{{build}}", _VIEW, builds.show, gives=one(Build)),
    Endpoint("DELETE", f"{APP}/builds/{{build}}", Action.PUSH, builds.cancel, gives=one(Build)),
    Endpoint("POST", f"{APP}/builds/{{build}}/actions/cancel", Action.PUSH, builds.cancel, gives=one(Build)),
    Endpoint("POST", f"{APP}/log-sessions", _VIEW, log_sessions.create, takes=log_sessions.NewLogSession, gives=made(LogSession)),
    OpenEndpoint("GET", "/streams/logs/{ticket}", streams.logs, gives=Gives(str, content_types=(TEXT, EVENTS))),
    OpenEndpoint("GET", "/streams/releases/{ticket}", streams.output, gives=Gives(str, content_types=(TEXT,))),
    OpenEndpoint("GET", "/streams/builds/{ticket}", streams.build_output, gives=Gives(str, content_types=(TEXT,))),
    Endpoint("GET", "/teams", _MEMBERS, teams.index, gives=page(Team)),
    Endpoint("POST", "/teams", _CHANGE, teams.create, takes=teams.NewTeam, gives=made(Team)),
    Endpoint("GET", "/organizations", _MEMBERS, teams.index, gives=page(Team)),
    Endpoint("GET", "/teams/permissions", _MEMBERS, collaborators.permissions, gives=page(Permission)),
    Endpoint("POST", "/teams/apps", Action.CREATE_APP, teams.create_app, takes=teams.NewTeamApp, gives=made(App)),
    Endpoint("GET", TEAM_APP, _VIEW, teams.app, gives=one(App)),
    Endpoint("PATCH", TEAM_APP, _TRANSFER, teams.change_app, takes=teams.TeamAppChange, gives=one(App)),
    Endpoint("GET", f"{TEAM_APP}/collaborators", _VIEW, collaborators.index, gives=page(Collaborator)),
    Endpoint(
        "POST",
        f"{TEAM_APP}/collaborators",
        Action.SHARE_APP,
        collaborators.add,
        takes=collaborators.NewCollaborator,
        gives=made(Collaborator),
    ),
    Endpoint(
        "PATCH",
        f"{TEAM_APP}/collaborators/{{collaborator}}",
        Action.SHARE_APP,
        collaborators.change,
        takes=collaborators.Permissions,
        gives=one(Collaborator),
    ),
    Endpoint("DELETE", f"{TEAM_APP}/collaborators/{{collaborator}}", Action.SHARE_APP, collaborators.remove, gives=one(Collaborator)),
    Endpoint("GET", TEAM, _MEMBERS, teams.show, gives=one(Team)),
    Endpoint("PATCH", TEAM, Action.RENAME_ORGANIZATION, teams.change, takes=teams.TeamChange, gives=one(Team)),
    Endpoint("DELETE", TEAM, Action.DELETE_ORGANIZATION, teams.delete, takes=teams.Deletion, gives=one(Team)),
    Endpoint("GET", f"{TEAM}/apps", _VIEW, teams.apps_of, gives=page(App)),
    Endpoint("GET", f"{TEAM}/members", _MEMBERS, teams.members, gives=page(Member)),
    Endpoint("PUT", f"{TEAM}/members", _MANAGE, teams.put_member, takes=teams.MemberChange, gives=Gives(Member, (200, 201))),
    Endpoint("PATCH", f"{TEAM}/members", _MANAGE, teams.change_member, takes=teams.MemberChange, gives=one(Member)),
    Endpoint("DELETE", f"{TEAM}/members/{{member}}", _MANAGE, teams.remove_member, gives=one(Member)),
    Endpoint("GET", f"{TEAM}/features", _MEMBERS, teams.none, gives=NONE),
    Endpoint("GET", f"{TEAM}/invitations", _MEMBERS, teams.none, gives=NONE),
    Endpoint("GET", "/stacks", _LOOK, lists.stacks, gives=page(Stack)),
    Endpoint("GET", "/stacks/{stack}", _LOOK, lists.stack, gives=one(Stack)),
    Endpoint("GET", "/regions", _LOOK, lists.regions, gives=page(Region)),
    Endpoint("GET", f"{APP}/pipeline-couplings", _VIEW, lists.no_coupling),
    Endpoint("GET", "/account/features/{feature}", _LOOK, lists.no_feature),
    Endpoint("PATCH", "/account/features/{feature}", _CHANGE, lists.no_feature, takes=lists.Switches),
    Endpoint("GET", f"{APP}/features/{{feature}}", _VIEW, lists.no_feature_of_app),
    Endpoint("PATCH", f"{APP}/features/{{feature}}", _CONFIGURE, lists.no_feature_of_app, takes=lists.Switches),
    *(Endpoint("GET", f"{APP}/{name}", _VIEW, lists.none_of_app, gives=NONE) for name in _NONE_OF_APP),
    *(Endpoint("GET", path, _LOOK, lists.none, gives=NONE) for path in _NONE),
)

ENDPOINTS = (*_DESCRIBED, openapi.served(_DESCRIBED))

"""Every endpoint of the API, in one table."""

from skypanel.domain.access import AccountAction, Action
from web.api import account, apps, config, formation, lists, log_sessions, one_offs, releases, streams
from web.api.calls import Endpoint, OpenEndpoint

APP = "/apps/{app}"
_VIEW, _SCALE, _CONFIGURE = Action.VIEW_APP, Action.SCALE_APP, Action.CONFIGURE_APP
_LOOK, _CHANGE = AccountAction.VIEW_ACCOUNT, AccountAction.CHANGE_ACCOUNT
_NONE_OF_APP = ("addons", "addon-attachments", "features", "log-drains", "sni-endpoints", "ssl-endpoints", "webhooks")
_NONE = ("/account/features", "/addons", "/addon-attachments", "/pipelines", "/pipeline-couplings", "/teams", "/organizations")

ENDPOINTS: tuple[Endpoint | OpenEndpoint, ...] = (
    Endpoint("GET", "/account", _LOOK, account.show),
    Endpoint("GET", "/users/~", _LOOK, account.show),
    Endpoint("GET", "/account/keys", _CHANGE, account.list_keys),
    Endpoint("POST", "/account/keys", _CHANGE, account.add_key, account.KEY),
    Endpoint("GET", "/account/keys/{key}", _CHANGE, account.show_key),
    Endpoint("DELETE", "/account/keys/{key}", _CHANGE, account.remove_key),
    OpenEndpoint("POST", "/oauth/authorizations", account.authorize, account.AUTHORIZE),
    Endpoint("GET", "/oauth/authorizations", _CHANGE, account.authorizations),
    Endpoint("GET", "/oauth/authorizations/~", _CHANGE, account.no_default_authorization),
    Endpoint("GET", "/oauth/authorizations/{authorization}", _CHANGE, account.authorization),
    Endpoint("DELETE", "/oauth/authorizations/{authorization}", _CHANGE, account.revoke),
    Endpoint("DELETE", "/oauth/sessions/~", _LOOK, account.end_session),
    Endpoint("GET", "/apps", _VIEW, apps.index),
    Endpoint("GET", "/users/~/apps", _VIEW, apps.index),
    Endpoint("POST", "/apps", Action.CREATE_APP, apps.create, apps.CREATE),
    Endpoint("GET", APP, _VIEW, apps.show),
    Endpoint("DELETE", APP, Action.DESTROY_APP, apps.destroy),
    Endpoint("GET", f"{APP}/collaborators", _VIEW, apps.collaborators),
    Endpoint("GET", f"{APP}/domains", _VIEW, apps.domains),
    Endpoint("GET", f"{APP}/config-vars", _VIEW, config.show),
    Endpoint("PATCH", f"{APP}/config-vars", _CONFIGURE, config.change, config.CHANGES),
    Endpoint("GET", f"{APP}/formation", _VIEW, formation.index),
    Endpoint("PATCH", f"{APP}/formation", _SCALE, formation.update, formation.UPDATES),
    Endpoint("GET", f"{APP}/formation/{{type}}", _VIEW, formation.show),
    Endpoint("PATCH", f"{APP}/formation/{{type}}", _SCALE, formation.update_one, formation.UPDATE),
    Endpoint("DELETE", f"{APP}/formations/{{type}}", _SCALE, formation.stop_type),
    Endpoint("POST", f"{APP}/formations/{{type}}/actions/stop", _SCALE, formation.stop_type),
    Endpoint("GET", f"{APP}/dynos", _VIEW, formation.dynos),
    Endpoint("DELETE", f"{APP}/dynos", _SCALE, formation.restart),
    Endpoint("POST", f"{APP}/dynos", Action.RUN, one_offs.create, one_offs.RUN),
    Endpoint("GET", f"{APP}/dynos/{{dyno}}", _VIEW, formation.dyno),
    Endpoint("DELETE", f"{APP}/dynos/{{dyno}}", _SCALE, formation.stop_dyno),
    Endpoint("POST", f"{APP}/dynos/{{dyno}}/actions/stop", _SCALE, formation.stop_dyno),
    Endpoint("GET", f"{APP}/releases", _VIEW, releases.index),
    Endpoint("POST", f"{APP}/releases", Action.ROLL_BACK, releases.roll_back, releases.ROLLBACK),
    Endpoint("GET", f"{APP}/releases/{{release}}", _VIEW, releases.show),
    Endpoint("GET", f"{APP}/releases/{{release}}/config-vars", _VIEW, config.of_release),
    Endpoint("POST", f"{APP}/log-sessions", _VIEW, log_sessions.create, log_sessions.CREATE),
    OpenEndpoint("GET", "/streams/logs/{ticket}", streams.logs),
    OpenEndpoint("GET", "/streams/releases/{ticket}", streams.output),
    Endpoint("GET", "/stacks", _LOOK, lists.stacks),
    Endpoint("GET", "/stacks/{stack}", _LOOK, lists.stack),
    Endpoint("GET", "/regions", _LOOK, lists.regions),
    Endpoint("GET", f"{APP}/pipeline-couplings", _VIEW, lists.no_coupling),
    *(Endpoint("GET", f"{APP}/{name}", _VIEW, lists.none_of_app) for name in _NONE_OF_APP),
    *(Endpoint("GET", path, _LOOK, lists.none) for path in _NONE),
)

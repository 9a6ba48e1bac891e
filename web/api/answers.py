"""What each endpoint answers where nothing is wrong, by the function that answers."""

from collections.abc import Mapping
from dataclasses import dataclass

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
    releases,
    sources,
    streams,
    teams,
    transfers,
)
from web.api.calls import Handle, Open
from web.api.schema import Schema
from web.api.shapes import NOTHING, ref, several

JSON, TEXT, EVENTS = "application/json", "text/plain", "text/event-stream"


@dataclass(frozen=True)
class Good:
    """An answer without an error; without a shape there is none of this endpoint. A page may be a part of a list."""

    shape: Schema | None
    statuses: tuple[int, ...] = (200,)
    kinds: tuple[str, ...] = (JSON,)
    is_page: bool = False


def one(name: str, *statuses: int) -> Good:
    """Return the answer that is one of what has a name in the document."""
    return Good(ref(name), statuses or (200,))


def page(name: str) -> Good:
    """Return the answer that is some of them."""
    return Good(several(ref(name)), is_page=True)


NONE = Good({"type": "array", "maxItems": 0}, is_page=True)
NEVER = Good(None)
ACCEPTED = Good(NOTHING, (202,))

GOOD: Mapping[Handle | Open, Good] = {
    account.show: one("Account"),
    account.change: one("Account"),
    account.list_keys: page("Key"),
    account.add_key: one("Key", 201),
    account.show_key: one("Key"),
    account.remove_key: one("Key"),
    account.authorize: one("Authorization", 201),
    account.authorizations: page("Authorization"),
    account.no_default_authorization: NEVER,
    account.authorization: one("Authorization"),
    account.revoke: one("Authorization"),
    account.end_session: one("Session"),
    account.authorize_other: one("Authorization", 201),
    accounts.index: page("AccountEntry"),
    accounts.show: one("AccountEntry"),
    accounts.invite: one("Admission", 201),
    accounts.reset: one("Admission"),
    apps.index: page("App"),
    apps.create: one("App", 201),
    apps.show: one("App"),
    apps.change: one("App"),
    apps.destroy: one("App"),
    apps.domains: page("Domain"),
    collaborators.index: page("Collaborator"),
    collaborators.show: one("Collaborator"),
    collaborators.add: one("Collaborator", 201),
    collaborators.change: one("Collaborator"),
    collaborators.remove: one("Collaborator"),
    collaborators.permissions: page("Permission"),
    teams.index: page("Team"),
    teams.create: one("Team", 201),
    teams.show: one("Team"),
    teams.delete: one("Team"),
    teams.members: page("Member"),
    teams.put_member: one("Member", 200, 201),
    teams.change_member: one("Member"),
    teams.remove_member: one("Member"),
    teams.apps_of: page("App"),
    teams.app: one("App"),
    teams.create_app: one("App", 201),
    teams.none: NONE,
    teams.change_app: one("App"),
    transfers.index: page("Transfer"),
    transfers.show: one("Transfer"),
    transfers.create: one("Transfer", 201),
    transfers.answer: one("Transfer"),
    transfers.withdraw: one("Transfer"),
    buildpacks.index: page("BuildpackInstallation"),
    buildpacks.choose: Good(several(ref("BuildpackInstallation"))),
    sources.create: one("Source", 201),
    sources.create_for_app: one("Source", 201),
    sources.put: one("Received"),
    builds.index: page("Build"),
    builds.create: one("Build", 201),
    builds.show: one("Build"),
    builds.cancel: one("Build"),
    config.show: one("ConfigVars"),
    config.change: one("ConfigVars"),
    config.of_release: one("ConfigVars"),
    formation.index: page("Formation"),
    formation.update: Good(several(ref("Formation"))),
    formation.show: one("Formation"),
    formation.update_one: one("Formation"),
    formation.stop_type: ACCEPTED,
    formation.dynos: page("Dyno"),
    formation.restart: ACCEPTED,
    formation.dyno: one("Dyno"),
    formation.stop_dyno: ACCEPTED,
    one_offs.create: one("Dyno", 201),
    releases.index: page("Release"),
    releases.roll_back: one("Release", 201),
    releases.show: one("Release"),
    log_sessions.create: one("LogSession", 201),
    streams.logs: Good({"type": "string"}, kinds=(TEXT, EVENTS)),
    streams.output: Good({"type": "string"}, kinds=(TEXT,)),
    streams.build_output: Good({"type": "string"}, kinds=(TEXT,)),
    lists.stacks: page("Stack"),
    lists.stack: one("Stack"),
    lists.regions: page("Region"),
    lists.no_coupling: NEVER,
    lists.no_feature: NEVER,
    lists.no_feature_of_app: NEVER,
    lists.none_of_app: NONE,
    lists.none: NONE,
}

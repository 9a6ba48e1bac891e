"""What pages call the audit log's actions, and how they show its details."""

from skypanel.domain.audit import AuditAction
from skypanel.domain.audit_words import OF_APPS, OF_ORGANIZATIONS, OF_PANEL, described, words

KINDS = {"app", "build", "collaborator", "config", "deploy_key", "dyno", "release", "remote", "upload"}


def test_every_action_on_apps_and_organizations_has_words():
    of_apps = {action for action in AuditAction if action.partition(".")[0] in KINDS}
    assert of_apps <= OF_APPS.keys()
    gone = {AuditAction.ORGANIZATION_DELETE}
    of_organizations = {action for action in AuditAction if action.partition(".")[0] in {"member", "organization", "wallet"}}
    assert of_organizations - gone <= OF_ORGANIZATIONS.keys()
    assert OF_PANEL.keys() == set(AuditAction)
    assert len(set(OF_PANEL.values())) == len(OF_PANEL)
    assert words("app.push") == "Pushed"
    assert words("something.new") == "something.new"


def test_details_are_texts():
    details = {"attached": True, "set": ["A", "B"], "process_types": {"web": 2, "worker": 0}, "to": None, "note": "", "version": 0}
    assert described(details) == [("attached", "yes"), ("set", "A, B"), ("process types", "web 2, worker 0"), ("version", "0")]

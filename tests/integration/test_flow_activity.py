"""Pages of the audit log of an organization and of an app: what is on them, and what is not."""

from dataclasses import replace

import pytest

from skypanel.domain.access import Role
from skypanel.domain.audit import AuditAction, AuditFilter
from skypanel.domain.paging import PAGE_SIZE, Cursor
from skypanel.flow import activity, organizations, transfer
from skypanel.store import audit

ALL = AuditFilter()


@pytest.fixture
async def log(stage, app, main):
    """120 pushes to the app by two people, and one entry of somebody else's app."""
    async with stage.panel.transaction() as conn:
        for number in range(120):
            email = f"{'ada' if number % 2 else 'bob'}@example.com"
            where = {"organization_id": main.id, "app_id": app.id, "app_name": app.name}
            await audit.add(conn, AuditAction.APP_PUSH, email=email, details={"number": number}, origin="ssh 192.0.2.7", **where)
    return app


def numbers(found):
    return [entry.details.get("number") for entry in found.items if entry.action == "app.push"]


async def test_an_app_has_pages_in_both_directions(stage, log):
    pushes = replace(ALL, action="app.push")
    first = await activity.of_app(stage.panel, log, stage.admin, pushes, Cursor())
    second = await activity.of_app(stage.panel, log, stage.admin, pushes, Cursor(before=first.older))
    third = await activity.of_app(stage.panel, log, stage.admin, pushes, Cursor(before=second.older))
    assert numbers(first) + numbers(second) + numbers(third) == list(reversed(range(120)))
    assert (first.newer, third.older, len(first.items)) == (None, None, PAGE_SIZE)
    assert await activity.of_app(stage.panel, log, stage.admin, pushes, Cursor(after=third.newer)) == second
    assert await activity.of_app(stage.panel, log, stage.admin, pushes, Cursor(after=second.newer)) == replace(first, newer=None)
    assert {entry.way for entry in first.items} == {"ssh"}


async def test_entries_are_filtered_by_who_and_what(stage, log, main):
    mine = await activity.of_app(stage.panel, log, stage.admin, AuditFilter(email="ADA@example.com"), Cursor())
    assert {entry.email for entry in mine.items} == {"ada@example.com"}
    found = await activity.of_organization(stage.panel, main, AuditFilter(action="app.create"), Cursor(), with_wallet=True)
    assert [(entry.action, entry.app_name) for entry in found.items] == [("app.create", "hello")]
    assert not (await activity.of_app(stage.panel, log, stage.admin, AuditFilter(email="' OR true --"), Cursor())).items


async def test_only_who_sees_the_wallet_reads_what_happened_to_it(stage, main):
    async with stage.panel.transaction() as conn:
        await audit.add(conn, AuditAction.WALLET_CREDIT, organization_id=main.id, details={"amount": "5"})
        await audit.add(conn, AuditAction.MEMBER_ADD, organization_id=main.id)
    for with_wallet in (True, False):
        found = await activity.of_organization(stage.panel, main, ALL, Cursor(), with_wallet=with_wallet)
        assert ("wallet.credit" in {entry.action for entry in found.items}) == with_wallet
        assert found.items[0].action == "member.add"


async def test_who_takes_an_app_over_does_not_read_what_happened_before(stage, log):
    other = await organizations.create(stage.panel, stage.admin, "Acme")
    moved = await transfer.transfer(stage.panel, log, other, stage.admin)
    assert [entry.action for entry in (await activity.of_app(stage.panel, moved, stage.admin, ALL, Cursor())).items] == ["app.transfer"]


async def test_members_of_others_are_not_on_it(stage, main):
    other = await organizations.create(stage.panel, stage.admin, "Acme")
    await organizations.add_member(stage.panel, other, "bob@example.com", Role.VIEWER, stage.admin)
    found = await activity.of_organization(stage.panel, main, ALL, Cursor(), with_wallet=True)
    assert "member.add" not in {entry.action for entry in found.items}

"""Organizations, members and collaborators: who may change whom, on a real database."""

import asyncio

import pytest

from skypanel.domain.access import Action, Role, allows, managing
from skypanel.domain.errors import Conflict, Denied, Invalid, NotFound
from skypanel.flow import accounts as accounts_flow
from skypanel.flow import apps as apps_flow
from skypanel.flow import collaborators, detail, organizations, passwords
from skypanel.store import accounts, audit, keys
from skypanel.store import organizations as stored


@pytest.fixture
async def acme(stage):
    return await organizations.create(stage.panel, stage.admin, "Acme")


async def person(stage, email):
    async with stage.panel.transaction() as conn:
        return await accounts.add(conn, email)


async def member(stage, organization, role):
    account = await person(stage, f"{role.word}@example.com")
    await organizations.add_member(stage.panel, organization, account.email, role, stage.admin)
    return account


async def roles(stage, organization):
    return {each.account.email: each.role for each in await organizations.members(stage.panel, organization)}


async def test_who_makes_an_organization_owns_it(stage, acme):
    assert await roles(stage, acme) == {stage.admin.email: Role.OWNER}
    assert [(each.name, role) for each, role in await organizations.mine(stage.panel, stage.admin)] == [
        ("Main", Role.OWNER),
        ("Acme", Role.OWNER),
    ]
    app = await apps_flow.create(stage.panel, stage.admin, "anvil", organization_id=acme.id)
    assert app.organization_id == acme.id


@pytest.mark.parametrize(
    ("name", "error"), [("Acme", Conflict), ("aCME", Conflict), ("", Invalid), (" a", Invalid), ("a\n", Invalid), ("a" * 61, Invalid)]
)
async def test_a_name_that_cannot_be_had(stage, acme, name, error):
    with pytest.raises(error):
        await organizations.create(stage.panel, stage.admin, name)


async def test_who_never_signed_in_is_told_apart(stage, acme):
    await organizations.add_member(stage.panel, acme, "ada@example.com", Role.VIEWER, stage.admin)
    for email in ("key@example.com", "token@example.com"):
        await organizations.add_member(stage.panel, acme, email, Role.VIEWER, stage.admin)
    async with stage.panel.transaction() as conn:
        await keys.add(conn, (await accounts.by_email(conn, "key@example.com")).id, "ssh-ed25519 AAAA", "SHA256:a", "laptop")
        holder = await accounts.by_email(conn, "token@example.com")
    await accounts_flow.add_token(stage.panel, holder, "CI")
    await passwords.reset(stage.panel, stage.admin, "correct horse battery staple")
    found = await organizations.people(stage.panel, acme)
    assert {member.account.email: is_in_use for member, is_in_use in found} == {
        stage.admin.email: True,
        "ada@example.com": False,
        "key@example.com": True,
        "token@example.com": True,
    }


async def test_only_administrators_of_the_panel_make_accounts(stage, acme):
    owner = await member(stage, acme, Role.OWNER)
    app = await apps_flow.create(stage.panel, stage.admin, "anvil", organization_id=acme.id)
    for attempt in (
        organizations.add_member(stage.panel, acme, "ada@example.com", Role.VIEWER, owner),
        collaborators.add(stage.panel, app, "ada@example.com", Role.VIEWER, owner),
    ):
        with pytest.raises(Invalid, match="no account here"):
            await attempt
    async with stage.panel.transaction() as conn:
        assert await accounts.by_email(conn, "ada@example.com") is None


async def test_owners_rename_an_organization(stage, acme):
    admin = await member(stage, acme, Role.ADMIN)
    with pytest.raises(Denied):
        await organizations.rename(stage.panel, acme, "Works", admin)
    renamed = await organizations.rename(stage.panel, acme, "ACME Works", stage.admin)
    assert (renamed.id, renamed.name) == (acme.id, "ACME Works")
    assert await organizations.find(stage.panel, stage.admin, "acme works") == renamed
    assert (await organizations.rename(stage.panel, renamed, "acme works", stage.admin)).name == "acme works"
    async with stage.panel.transaction() as conn:
        entries = await audit.recent(conn, 2)
    assert [entry.details for entry in entries] == [
        {"name": "ACME Works", "to": "acme works"},
        {"name": "Acme", "to": "ACME Works"},
    ]


@pytest.mark.parametrize(("name", "error"), [("mAIN", Conflict), ("", Invalid), ("<b>", Invalid), ("a" * 61, Invalid)])
async def test_a_name_that_an_organization_cannot_take(stage, acme, name, error):
    with pytest.raises(error):
        await organizations.rename(stage.panel, acme, name, stage.admin)
    assert (await organizations.find(stage.panel, stage.admin, str(acme.id))).name == "Acme"


async def test_an_organization_is_found_whatever_the_case_of_its_letters(stage, acme):
    for name in ("acme", "ACME", "Acme"):
        assert await organizations.access(stage.panel, stage.admin, name, Action.VIEW_MEMBERS) == acme
        assert await organizations.find(stage.panel, stage.admin, name) == acme
    with pytest.raises(Conflict, match="more than the case of its letters"):
        await organizations.create(stage.panel, await stage.outsider(), "ACME")


@pytest.mark.parametrize("role", [None, *Role])
@pytest.mark.parametrize("new", Role)
async def test_role_by_what_it_may_do_to_members(stage, acme, role, new):
    by = await member(stage, acme, role) if role else await stage.outsider()
    target = await person(stage, "target@example.com")

    async def attempt(step, *arguments):
        try:
            await step(stage.panel, acme, target.email, *arguments, by)
        except Denied:
            return False
        return True

    expected = allows(role, managing(new))
    assert await attempt(organizations.add_member, new) == expected
    if not expected:
        await organizations.add_member(stage.panel, acme, target.email, new, stage.admin)
    assert await attempt(organizations.change_role, Role.VIEWER) == expected
    assert await attempt(organizations.change_role, Role.OWNER) == allows(role, Action.MANAGE_OWNERS)
    await organizations.change_role(stage.panel, acme, target.email, new, stage.admin)
    assert await attempt(organizations.remove_member) == expected


async def test_the_last_owner_stays_one_and_everybody_else_may_leave(stage, acme):
    viewer = await member(stage, acme, Role.VIEWER)
    await organizations.remove_member(stage.panel, acme, viewer.email, viewer)
    with pytest.raises(Conflict, match="last owner"):
        await organizations.remove_member(stage.panel, acme, stage.admin.email, stage.admin)
    with pytest.raises(Conflict, match="last owner"):
        await organizations.change_role(stage.panel, acme, stage.admin.email, Role.ADMIN, stage.admin)
    await organizations.change_role(stage.panel, acme, stage.admin.email, Role.OWNER, stage.admin)
    assert await roles(stage, acme) == {stage.admin.email: Role.OWNER}


async def test_two_owners_who_leave_at_once_leave_one(stage, acme):
    other = await member(stage, acme, Role.OWNER)
    leave = [organizations.remove_member(stage.panel, acme, each.email, each) for each in (stage.admin, other)]
    ends = await asyncio.gather(*leave, return_exceptions=True)
    assert [type(end) for end in ends if end is not None] == [Conflict]
    assert len(await roles(stage, acme)) == 1


async def test_who_is_new_gets_an_account_and_a_link_that_signs_in_once(stage, acme):
    invitation = await organizations.add_member(stage.panel, acme, "Ada@Example.com", Role.VIEWER, stage.admin)
    assert invitation.account.email == "ada@example.com"
    assert invitation.link not in repr(invitation)
    token = invitation.link.partition("=")[2]
    session = (await accounts_flow.sign_in_by_link(stage.panel, token, "198.51.100.1")).secret
    assert await accounts_flow.session_account(stage.panel, session) == invitation.account
    with pytest.raises(Denied):
        await accounts_flow.sign_in_by_link(stage.panel, token, "198.51.100.1")
    async with stage.panel.transaction() as conn:
        assert token not in repr(await audit.recent(conn, 20))


async def test_nobody_gets_a_link_into_an_account_that_was_there(stage, acme):
    known = await person(stage, "known@example.com")
    assert (await organizations.add_member(stage.panel, acme, known.email, Role.VIEWER, stage.admin)).link is None
    app = await stage.app()
    assert (await collaborators.add(stage.panel, app, known.email, Role.VIEWER, stage.admin)).link is None


@pytest.mark.parametrize("email", ["", "ada", "@example.com", "a b@example.com", "ada@", "a\n@b.c", f"{'a' * 250}@b.cd", "ada@b.c\x00"])
async def test_what_is_no_address_makes_no_account(stage, acme, email):
    with pytest.raises(Invalid):
        await organizations.add_member(stage.panel, acme, email, Role.VIEWER, stage.admin)
    assert len(await roles(stage, acme)) == 1


async def test_a_member_is_added_once_and_one_who_is_none_cannot_be_changed(stage, acme):
    viewer = await member(stage, acme, Role.VIEWER)
    with pytest.raises(Conflict):
        await organizations.add_member(stage.panel, acme, viewer.email, Role.ADMIN, stage.admin)
    stranger = await stage.outsider()
    for email in (stranger.email, "nobody@example.com"):
        with pytest.raises(NotFound, match="no access"):
            await organizations.change_role(stage.panel, acme, email, Role.ADMIN, stage.admin)
        with pytest.raises(NotFound, match="no access"):
            await organizations.remove_member(stage.panel, acme, email, stage.admin)


async def test_who_is_no_member_cannot_tell_a_foreign_organization_from_none(stage, acme):
    outsider = await stage.outsider()
    errors = []
    for name in ("Acme", "Nowhere"):
        with pytest.raises(NotFound) as caught:
            await organizations.access(stage.panel, outsider, name, Action.VIEW_MEMBERS)
        errors.append(str(caught.value).replace(name, "NAME"))
    assert errors[0] == errors[1]


@pytest.mark.parametrize("role", [Role.VIEWER, Role.DEVELOPER])
async def test_a_collaborator_acts_for_one_app_by_its_role(stage, role):
    app, other = await stage.app("hello"), await stage.app("other")
    account = await person(stage, "bob@example.com")
    await collaborators.add(stage.panel, app, account.email, role, stage.admin)
    for action in Action:
        if allows(role, action):
            assert await apps_flow.access(stage.panel, account, app.name, action) == app
        else:
            with pytest.raises(Denied):
                await apps_flow.access(stage.panel, account, app.name, action)
        with pytest.raises(NotFound):
            await apps_flow.access(stage.panel, account, other.name, action)
    assert [each.app.name for each in await apps_flow.overview(stage.panel, account)] == ["hello"]
    found = await detail.read(stage.panel, app, account)
    assert (found.may_roll_back, found.may_scale) == (allows(role, Action.ROLL_BACK), allows(role, Action.SCALE_APP))
    await collaborators.remove(stage.panel, app, account.email, stage.admin)
    with pytest.raises(NotFound):
        await apps_flow.access(stage.panel, account, app.name, Action.VIEW_APP)
    with pytest.raises(NotFound, match="no access"):
        await collaborators.remove(stage.panel, app, account.email, stage.admin)


async def test_a_collaborators_role_never_takes_from_a_members(stage):
    app, developer = await stage.app(), await stage.member(Role.DEVELOPER)
    await collaborators.add(stage.panel, app, developer.email, Role.VIEWER, stage.admin)
    assert await apps_flow.access(stage.panel, developer, app.name, Action.PUSH) == app


async def test_a_collaborator_is_added_again_in_another_role_and_never_above_developer(stage):
    app = await stage.app()
    await collaborators.add(stage.panel, app, "bob@example.com", Role.VIEWER, stage.admin)
    await collaborators.add(stage.panel, app, "bob@example.com", Role.DEVELOPER, stage.admin)
    assert [(each.account.email, each.role) for each in await collaborators.of(stage.panel, app)] == [("bob@example.com", Role.DEVELOPER)]
    with pytest.raises(Invalid, match="cannot be admin"):
        await collaborators.add(stage.panel, app, "bob@example.com", Role.ADMIN, stage.admin)


async def test_every_change_is_in_the_audit_log_with_its_organization(stage, acme):
    viewer = await member(stage, acme, Role.VIEWER)
    await organizations.change_role(stage.panel, acme, viewer.email, Role.ADMIN, stage.admin)
    await organizations.remove_member(stage.panel, acme, viewer.email, stage.admin)
    async with stage.panel.transaction() as conn:
        deeds = [(row.action, row.organization_id) for row in await audit.recent(conn, 4)]
        assert await stored.count_owners(conn, acme.id) == 1
    assert deeds == [(action, acme.id) for action in ("member.remove", "member.change", "member.add", "organization.create")]

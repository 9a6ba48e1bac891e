"""Organizations as teams, their members, and collaborators, by the API."""

from copy import copy

import pytest

from skypanel.domain.access import Role
from skypanel.flow import organizations
from tests.support.api_walk import KEY

PASSWORD = "a long enough password"


@pytest.fixture
async def acme(api):
    return await (await api.call("POST", "/teams", {"name": "Acme"}, status=201)).json()


@pytest.fixture
async def ada(stage):
    """Somebody with an account, and no more."""
    return await stage.outsider()


async def members(api, team="Acme"):
    return {each["email"]: each["role"] for each in await api.get(f"/teams/{team}/members")}


async def test_teams_are_made_listed_and_shown(api, acme, stage):
    assert (acme["name"], acme["role"], acme["type"]) == ("Acme", "owner", "team")
    assert acme in await api.get("/teams")
    assert await api.get("/organizations") == await api.get("/teams")
    assert await api.get("/teams/Acme") == await api.get(f"/teams/{acme['id']}") == acme
    assert await api.get("/teams/Acme/features") == await api.get("/teams/Acme/invitations") == []
    assert (await api.call("POST", "/teams", {"name": "Acme"})).status == 409
    assert (await api.call("POST", "/teams", {"name": "-"})).status == 422
    assert "view" in [each["name"] for each in await api.get("/teams/permissions")]


async def test_members_are_added_changed_and_removed(api, acme, ada, stage):
    await api.call("PUT", "/teams/Acme/members", {"email": "Outsider@example.com", "role": "member"}, status=201)
    assert await members(api) == {stage.admin.email: "owner", ada.email: "member"}
    await api.call("PUT", "/teams/Acme/members", {"email": ada.email, "role": "viewer"}, status=200)
    await api.call("PATCH", "/teams/Acme/members", {"email": ada.email, "role": "admin"}, status=200)
    assert (await members(api))[ada.email] == "admin"
    await api.call("PATCH", "/teams/Acme/members", {"email": "nobody@example.com", "role": "admin"}, status=404)
    await api.call("PATCH", "/teams/Acme/members", {"email": stage.admin.email, "role": "viewer"}, status=409)
    await api.call("PUT", "/teams/Acme/members", {"email": ada.email, "role": "king"}, status=422)
    await api.call("DELETE", f"/teams/Acme/members/{ada.email}", status=200)
    await api.call("DELETE", f"/teams/Acme/members/{ada.email}", status=404)
    assert list(await members(api)) == [stage.admin.email]


async def test_an_admin_makes_no_owner_and_everybody_may_leave(api, acme, ada, stage):
    await api.call("PUT", "/teams/Acme/members", {"email": ada.email, "role": "admin"}, status=201)
    client = await api.act_as(ada)
    await client.call("PUT", "/teams/Acme/members", {"email": ada.email, "role": "owner"}, status=403)
    await client.call("DELETE", f"/teams/Acme/members/{stage.admin.email}", status=403)
    await client.call("PATCH", "/teams/Acme/members", {"email": ada.email, "role": "viewer"}, status=200)
    await client.call("PUT", "/teams/Acme/members", {"email": ada.email, "role": "viewer"}, status=403)
    await (await api.act_as(ada, "read")).call("DELETE", f"/teams/Acme/members/{ada.id}", status=403)
    await client.call("DELETE", f"/teams/Acme/members/{ada.id}", status=200)
    await client.get("/teams/Acme", 404)


async def test_an_account_is_made_by_who_runs_the_platform_alone(api, acme, hello, ada, stage):
    for method, path, body in (
        ("PUT", "/teams/Acme/members", {"email": "new1@example.com", "role": "viewer"}),
        ("POST", "/apps/hello/collaborators", {"user": "new2@example.com"}),
    ):
        response = await api.call(method, path, body, status=201)
        assert "/login?token=" in response.headers["Warning-Message"]
    await organizations.add_member(
        stage.panel, (await organizations.mine(stage.panel, stage.admin))[0][0], ada.email, Role.OWNER, stage.admin
    )
    client = await api.act_as(ada)
    response = await client.call("POST", "/apps/hello/collaborators", {"user": "new3@example.com"}, status=422)
    assert "no account here" in (await response.json())["message"]
    response = await client.call("POST", "/apps/hello/collaborators", {"user": "new2@example.com"}, status=201)
    assert response.headers["Warning-Message"] == "They have the role developer on hello; access:update changes it."
    body = {"user": "new2@example.com", "permissions": ["view"]}
    assert "Warning-Message" not in (await client.call("POST", "/apps/hello/collaborators", body, status=201)).headers


async def test_apps_of_a_team(api, acme, ada, hello, stage):
    made = await (await api.call("POST", "/teams/apps", {"name": "rockets", "team": "Acme"}, status=201)).json()
    assert made["team"] == {"id": acme["id"], "name": "Acme"}
    assert [app["name"] for app in await api.get("/teams/Acme/apps")] == ["rockets"]
    assert await api.get("/teams/apps/rockets") == made
    assert {app["name"] for app in await api.get("/apps")} == {"hello", "rockets"}
    await api.call("POST", "/teams/apps", {"name": "other", "team": "Nobodys"}, status=404)
    await api.call("POST", "/teams/apps", {"name": "other", "team": "Acme", "stack": "moon"}, status=422)
    assert (await (await api.call("POST", "/teams/apps", {}, status=201)).json())["name"]
    client = await api.act_as(ada)
    await client.get("/teams/Acme/apps", 404)
    await client.call("POST", "/teams/apps", {"name": "other", "team": "Acme"}, status=404)
    await api.call("PUT", "/teams/Acme/members", {"email": ada.email, "role": "viewer"}, status=201)
    assert [app["name"] for app in await client.get("/teams/Acme/apps")] == ["rockets"]
    await client.call("POST", "/teams/apps", {"name": "other", "team": "Acme"}, status=403)


async def test_collaborators_are_added_changed_and_removed(api, hello, ada, stage):
    client = await api.act_as(ada)
    await client.get("/apps/hello", 404)
    await api.call("POST", "/apps/hello/collaborators", {"user": ada.email}, status=201)
    assert (await client.get("/apps/hello"))["name"] == "hello"
    assert {each["user"]["email"]: each["role"] for each in await client.get("/apps/hello/collaborators")} == {
        stage.admin.email: "owner",
        ada.email: "member",
    }
    assert (await client.get(f"/apps/hello/collaborators/{ada.email}"))["user"]["id"] == str(ada.id)
    await client.call("POST", "/apps/hello/collaborators", {"user": stage.admin.email}, status=403)
    path = f"/teams/apps/hello/collaborators/{ada.email}"
    changed = await (await api.call("PATCH", path, {"permissions": ["view"]}, status=200)).json()
    assert [each["name"] for each in changed["permissions"]] == ["view"]
    await client.call("PATCH", "/apps/hello/config-vars", {"A": "b"}, status=403)
    await api.call("POST", "/teams/apps/hello/collaborators", {"user": ada.email, "permissions": ["view", "deploy"]}, status=201)
    await client.call("PATCH", "/apps/hello/config-vars", {"A": "b"}, status=200)
    await api.call("PATCH", path, {"permissions": ["manage"]}, status=422)
    await api.call("DELETE", f"/apps/hello/collaborators/{stage.admin.email}", status=409)
    await api.call("DELETE", f"/apps/hello/collaborators/{ada.email}", status=200)
    await api.call("DELETE", f"/apps/hello/collaborators/{ada.email}", status=404)
    await client.get("/apps/hello", 404)


async def test_who_is_a_member_sees_the_team_of_an_app_and_a_collaborator_does_not(api, hello, ada):
    await api.call("POST", "/apps/hello/collaborators", {"user": ada.email}, status=201)
    client = await api.act_as(ada)
    for path in ("/apps/hello", "/teams/apps/hello"):
        assert (await api.get(path))["team"]["name"] == (await api.get(path))["organization"]["name"] == "Main"
        assert (await client.get(path))["team"] is (await client.get(path))["organization"] is None
    assert [app["team"]["name"] for app in await api.get("/apps")] == ["Main"]
    assert [app["team"] for app in await client.get("/apps")] == [None]


async def test_a_collaborator_is_told_of_the_members_none_but_the_owner(api, hello, ada, stage):
    developer = await stage.member(Role.DEVELOPER)
    for email in (ada.email, "bob@example.com", developer.email):
        await api.call("POST", "/apps/hello/collaborators", {"user": email}, status=201)
    seen_by = {}
    for who, client in (("member", await api.act_as(developer)), ("collaborator", await api.act_as(ada))):
        listed = await client.get("/apps/hello/collaborators")
        assert await client.get("/teams/apps/hello/collaborators") == listed
        seen_by[who] = {each["user"]["email"]: each["role"] for each in listed}
        for email in (stage.admin.email, ada.email, developer.email):
            await client.get(f"/apps/hello/collaborators/{email}", 200 if email in seen_by[who] else 404)
    assert seen_by["collaborator"] == {stage.admin.email: "owner", ada.email: "member", "bob@example.com": "member"}
    assert seen_by["member"] == seen_by["collaborator"] | {developer.email: "member"}
    assert (await (await api.act_as(ada)).get("/apps/hello"))["owner"]["email"] == stage.admin.email


@pytest.mark.parametrize("name", ["email", "account", "id"])
async def test_a_collaborator_may_give_up_its_access_and_no_others(api, hello, ada, name):
    ids = {}
    for email in (ada.email, "bob@example.com"):
        made = await (await api.call("POST", "/apps/hello/collaborators", {"user": email}, status=201)).json()
        ids[email] = {"email": email, "account": made["user"]["id"], "id": made["id"]}[name]
    client = await api.act_as(ada)
    await client.call("DELETE", f"/apps/hello/collaborators/{ids['bob@example.com']}", status=403)
    await client.call("DELETE", f"/apps/hello/collaborators/{ids[ada.email]}", status=200)
    await client.get("/apps/hello", 404)


async def test_an_app_is_given_to_another_team(api, acme, hello, ada, stage):
    moved = await (await api.call("PATCH", "/teams/apps/hello", {"owner": "Acme"}, status=200)).json()
    assert (moved["name"], moved["team"]) == ("hello", {"id": acme["id"], "name": "Acme"})
    assert await api.get("/apps/hello") == moved
    response = await api.call("PATCH", "/teams/apps/hello", {"owner": ada.email}, status=422)
    assert "POST /account/app-transfers" in (await response.json())["message"]
    await api.call("PUT", "/teams/Acme/members", {"email": ada.email, "role": "admin"}, status=201)
    client = await api.act_as(ada)
    await client.call("PATCH", "/teams/apps/hello", {"owner": "Main"}, status=404)


async def test_an_app_is_offered_answered_and_taken_back(api, hello, ada, stage):
    client = await api.act_as(ada)
    await client.call("POST", "/teams", {"name": "Lovelace"}, status=201)
    offer = {"app": "hello", "recipient": ada.email}
    response = await api.call("POST", "/account/app-transfers", offer, status=201)
    made = await response.json()
    assert (made["state"], made["app"]["name"], made["owner"]["email"], made["recipient"]["email"]) == (
        "pending", "hello", stage.admin.email, ada.email,
    )  # fmt: skip
    assert f"ask {ada.email} to accept hello on the dashboard" in response.headers["Warning-Message"]
    for each in (api, client):
        assert await each.get("/account/app-transfers") == [made]
        for name in (made["id"], "hello", str(hello.id)):
            assert await each.get(f"/account/app-transfers/{name}") == made
    path = f"/account/app-transfers/{made['id']}"
    await api.call("PATCH", path, {"state": "accepted"}, status=403)
    await client.call("PATCH", path, {"state": "pending"}, status=422)
    await client.call("DELETE", path, status=403)
    await (await api.act_as(ada, "read")).call("PATCH", path, {"state": "accepted"}, status=403)
    await api.call("DELETE", path, status=200)
    await client.get(path, 404)
    await api.call("POST", "/account/app-transfers", offer, status=201)
    await client.call("PATCH", "/account/app-transfers/hello", {"state": "declined"}, status=200)
    await client.call("PATCH", "/account/app-transfers/hello", {"state": "accepted"}, status=409)
    await api.call("POST", "/account/app-transfers", offer, status=201)
    accepted = await (await client.call("PATCH", "/account/app-transfers/hello", {"state": "accepted"}, status=200)).json()
    assert accepted["state"] == "accepted"
    assert (await client.get("/apps/hello"))["team"]["name"] == "Lovelace"
    await api.get("/apps/hello", 404)


async def test_an_app_is_offered_to_people_who_are_here(api, hello, ada, stage):
    for recipient, status in (("nobody@example.com", 422), ("nobody", 422), (stage.admin.email, 422)):
        await api.call("POST", "/account/app-transfers", {"app": "hello", "recipient": recipient}, status=status)
    await (await api.act_as(ada)).call("POST", "/account/app-transfers", {"app": "hello", "recipient": stage.admin.email}, status=404)


@pytest.mark.req("R16.3")
async def test_a_team_with_apps_is_deleted_once_it_is_said_what_becomes_of_them(api, acme, hello, stage):
    await api.call("PATCH", "/teams/apps/hello", {"owner": "Acme"}, status=200)
    for body, status, line in (
        (None, 409, "Acme has 1 app. Choose what happens to it: destroy, or reassign to another organization."),
        ({"apps": "burn"}, 422, "Choose destroy or reassign."),
        ({"apps": "destroy"}, 422, "confirm with the name Acme"),
        ({"apps": "destroy", "confirm": "acme"}, 422, "Nothing was destroyed."),
        ({"apps": "reassign"}, 422, "name another organization"),
        ({"apps": "reassign", "to": "Acme"}, 422, "name another organization"),
        ({"apps": "reassign", "to": "Nobodys"}, 404, "Nobodys"),
        ({"apps": True}, 422, "apps has the wrong type"),
        ({"app": "hello"}, 422, "There is no field"),
    ):
        response = await api.call("DELETE", "/teams/Acme", body, status=status)
        assert line in (await response.json())["message"]
        assert (await api.get("/apps/hello"))["team"]["name"] == "Acme"
    assert await (await api.call("DELETE", "/teams/Acme", {"apps": "reassign", "to": "Main"}, status=200)).json() == acme
    await stage.work()
    assert (await api.get("/apps/hello"))["team"]["name"] == "Main"
    await api.get("/teams/Acme", 404)
    await api.call("DELETE", "/teams/Acme", status=404)


@pytest.mark.req("R16.3")
async def test_a_team_is_deleted_with_its_apps(api, acme, hello):
    await api.call("PATCH", "/teams/apps/hello", {"owner": "Acme"}, status=200)
    await api.call("DELETE", f"/teams/{acme['id']}", {"apps": "destroy", "confirm": "Acme"}, status=200)
    await api.get("/apps/hello", 404)
    assert "Acme" not in [each["name"] for each in await api.get("/teams")]


async def test_a_team_is_deleted_by_its_owners_and_by_who_runs_the_platform(api, acme, ada, stage):
    client = await api.act_as(ada)
    await client.call("DELETE", "/teams/Acme", status=404)
    await api.call("PUT", "/teams/Acme/members", {"email": ada.email, "role": "admin"}, status=201)
    await client.call("DELETE", "/teams/Acme", status=403)
    await api.call("PATCH", "/teams/Acme/members", {"email": ada.email, "role": "owner"}, status=200)
    await (await api.act_as(ada, "read")).call("DELETE", "/teams/Acme", status=403)
    await client.call("DELETE", "/teams/Acme", status=200)
    await client.call("POST", "/teams", {"name": "Adas"}, status=201)
    # Who runs the platform is no member of that one.
    await api.get("/teams/Adas", 404)
    assert (await (await api.call("DELETE", "/teams/Adas", status=200)).json())["role"] is None
    await client.get("/teams/Adas", 404)


async def test_an_administrator_lets_somebody_in_for_the_first_time_and_again(api, stage, new_client):
    invited = await (await api.call("POST", "/accounts", {"email": "Grace@example.com"}, status=201)).json()
    assert (invited["email"], invited["has_password"], invited["administrator"]) == ("grace@example.com", False, False)
    again = await api.call("POST", "/accounts", {"email": "grace@example.com"}, status=201)
    assert again.headers["Cache-Control"] == "no-store"
    link = (await again.json()).pop("sign_in_url")
    assert link != invited["sign_in_url"]
    browser = await new_client()
    assert (await browser.send("/login", token=link.partition("token=")[2])).status == 303
    await browser.send("/account/password", page="/account", new=PASSWORD, again=PASSWORD)
    refused = await (await api.call("POST", "/accounts", {"email": "grace@example.com"}, status=409)).json()
    assert "skypanel accounts reset grace@example.com" in refused["message"]
    reset = await (await api.call("POST", f"/accounts/{invited['id']}/actions/reset", status=200)).json()
    assert (reset["has_password"], "/login?token=" in reset["sign_in_url"]) == (False, True)
    assert (await browser.get("/", allow_redirects=False)).status == 303
    assert [each["email"] for each in await api.get("/accounts")] == [stage.admin.email, "grace@example.com"]


async def test_an_administrator_gives_somebody_keys_and_tokens(api, stage):
    grace = (await (await api.call("POST", "/accounts", {"email": "grace@example.com"}, status=201)).json())["id"]
    key = await (await api.call("POST", f"/accounts/{grace}/keys", {"public_key": KEY}, status=201)).json()
    assert key["email"] == "grace@example.com"
    made = await (await api.call("POST", "/accounts/grace@example.com/authorizations", {"scope": ["global"]}, status=201)).json()
    hers = copy(api)
    hers.token = made["access_token"]["token"]
    assert (await hers.get("/account"))["id"] == grace
    assert await hers.get("/account/keys") == await api.get(f"/accounts/{grace}/keys") == [key]
    [shown] = await api.get(f"/accounts/{grace}/authorizations")
    assert (shown["id"], shown["access_token"]["token"]) == (made["id"], "")
    assert (await api.get(f"/accounts/{grace}"))["keys"] == 1
    await api.call("DELETE", f"/accounts/{grace}/authorizations/{made['id']}", status=200)
    await hers.call("GET", "/account", status=401)
    await api.call("DELETE", f"/accounts/{grace}/keys/{key['id']}", status=200)
    assert await api.get(f"/accounts/{grace}/keys") == []


async def test_refusals_name_what_the_reader_can_do(api, stage):
    unknown = await (await api.call("GET", "/account", status=401, Authorization="Bearer nothing")).json()
    assert "`heroku login -i`" in unknown["message"]
    assert "`skypanel tokens add --for` with your address" in unknown["message"]

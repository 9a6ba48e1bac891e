"""The pages of alerts: of the platform, and of an organization."""

import pytest

from skypanel.domain.access import Role
from skypanel.domain.alert import AlertKind, Problem
from skypanel.flow import alert_destinations
from skypanel.store import alerts

URL = "jsons://hooks.example.com/k3y-of-a-hook"


@pytest.fixture
def page(main):
    return f"/organizations/{main.id}/alerts"


@pytest.fixture
async def alert(stage, app):
    async with stage.panel.transaction() as conn:
        await alerts.add(conn, AlertKind.CRASH_LOOP, Problem(str(app.id), "web.1 of hello crashed 4 times.", app_id=app.id))
    return app


@pytest.mark.parametrize("of_platform", [True, False], ids=["of the platform", "of an organization"])
async def test_a_destination_is_added_tested_changed_and_removed_and_its_url_never_shown(admin, stage, main, page, of_platform):
    page, organization = ("/admin/alerts", None) if of_platform else (page, main)
    assert "No alerts" in await admin.page(page)
    chosen = "rule.disk_full" if of_platform else "rule.crash_loop"
    sent = await admin.send(page, page=page, do="add", name="<b>Operations", url=URL, **{chosen: "on"})
    assert sent.headers["Location"] == page
    shown = await admin.page(page)
    assert "&lt;b&gt;Operations" in shown
    assert "k3y-of-a-hook" not in shown
    [made] = await alert_destinations.of(stage.panel, stage.admin, organization)
    sent = await admin.send(page, page=page, do="test", id=str(made.id))
    assert sent.headers["Location"] == page
    assert [url for url, _ in stage.panel.notifier.sent] == [URL]
    await admin.send(page, page=page, do="rules", id=str(made.id), **{"rule.domain_lost": "on"})
    [changed] = await alert_destinations.of(stage.panel, stage.admin, organization)
    assert AlertKind.DOMAIN_LOST not in changed.muted
    assert {"rule.disk_full": AlertKind.DISK_FULL, "rule.crash_loop": AlertKind.CRASH_LOOP}[chosen] in changed.muted
    stage.panel.notifier.failing.add(URL)
    failed = await admin.send(page, page=page, do="test", id=str(made.id))
    assert failed.status == 422
    assert "it answered 500" in await failed.text()
    await admin.send(page, page=page, do="remove", id=str(made.id))
    assert "Operations" not in (await admin.page(page)).partition("Where messages go")[2].partition("Add a destination")[0]
    assert await alert_destinations.of(stage.panel, stage.admin, organization) == []


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"do": "add", "name": "Us", "url": "ftp://example.com/k3y-of-a-hook"}, "No service has this URL."),
        ({"do": "add", "name": "", "url": URL}, "A destination needs a name."),
        ({"do": "add", "name": "Us", "url": URL, "rule.burn": "on"}, "is not a rule of alerts."),
        ({"do": "test", "id": "nonsense"}, "This names no destination."),
        ({"do": "resolve", "id": "nonsense"}, "This names no alert."),
        ({"do": "silence", "id": "0" * 32, "for": "5y"}, "For how long"),
        ({"do": "burn"}, "This is not an action of alerts."),
    ],
)
async def test_what_is_refused_is_said_on_the_page(admin, page, fields, said):
    answer = await admin.send(page, page=page, **fields)
    assert answer.status == 422
    text = await answer.text()
    assert said in text
    assert "ftp://" not in text


async def test_alerts_are_filtered_silenced_and_resolved(admin, alert, page):
    shown = await admin.page(f"{page}?rule=crash_loop&state=open")
    assert "web.1 of hello crashed 4 times." in shown
    assert "crashed" not in (await admin.page(f"{page}?rule=domain_lost")).partition("<tbody>")[2]
    alert_id = shown.partition('name="id" value="')[2].partition('"')[0]
    sent = await admin.send(page, page=page, do="silence", id=alert_id, **{"for": "1d"})
    assert sent.headers["Location"] == page
    assert "silent until" in await admin.page(page)
    await admin.send(page, page=page, do="resolve", id=alert_id)
    assert 'class="state resolved"' in await admin.page(page)
    assert "No alerts" in await admin.page(f"{page}?state=open")
    assert (await admin.get(f"{page}?rule=burn")).status == 422


async def test_members_see_alerts_and_no_destinations(stage, main, alert, page, new_client):
    await alert_destinations.add(stage.panel, stage.admin, main, name="Operations", url=URL)
    client = await new_client()
    await client.sign_in(await stage.member(Role.DEVELOPER))
    shown = await client.page(page)
    assert "web.1 of hello crashed 4 times." in shown
    assert "Operations" not in shown
    assert "Resolve" not in shown

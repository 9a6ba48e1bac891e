"""An empty wallet on a running panel: apps stop, pushes are declined, a credit brings them back."""

import pytest
from playwright.sync_api import expect

from tests.journeys.browser import TELEPHONE, Visit, running_browser
from tests.journeys.harness import new_panel, wait_for

SPENT = "-1000"


@pytest.mark.req("R10.4")
def test_an_empty_wallet_stops_apps_until_it_is_credited():
    with new_panel() as panel, running_browser() as browser:
        panel.up()
        repository = panel.repository("python-plain")
        repository.push("paying")
        assert "paying" in panel.cli("usage", "Main").stdout
        panel.cli("settings", "set", "billing=true")
        panel.cli("wallet", "bill", "Main", "on")
        assert panel.get("paying").status == 200
        visit = Visit(panel, browser)
        page = visit.sign_in()
        page.goto("/apps/paying")
        phone = Visit(panel, browser, **TELEPHONE)
        phone.sign_in().goto("/apps/paying")

        assert "Main has -" in panel.cli("wallet", "credit", "Main", SPENT, "--note", "all gone").stdout
        wait_for("the app's end", lambda: panel.get("paying").status != 200)
        wait_for("its dynos' end", lambda: "web.1" not in panel.cli("ps", "paying").stdout)
        assert "web=1" in panel.cli("ps", "paying").stdout
        # The page has followed by itself, and says what to do.
        for each in (visit, phone):
            expect(each.page.get_by_role("alert")).to_contain_text("It is stopped: the wallet of its organization is empty.")
            expect(each.page.locator("h1 .state")).to_have_text("suspended")
            each.look()
        assert "the wallet is empty" in panel.cli("apps").stdout
        assert "Stopped: the wallet of Main is empty." in panel.cli("logs", "paying").stdout
        repository.edit("app.py", "Hello from SkyPanel", "Hello again")
        repository.commit("Another")
        declined = repository.push("paying", check=False)
        assert "paying cannot run: the wallet of its organization is empty." in declined
        assert "pre-receive hook declined" in declined
        refused = panel.cli("scale", "paying", "web=2", check=False)
        assert refused.returncode == 1
        assert "skypanel wallet credit ORGANIZATION AMOUNT" in refused.stderr
        assert "Its apps are stopped" in panel.cli("wallet", "show", "Main").stdout

        panel.cli("wallet", "credit", "Main", "2000", "--note", "invoice 7")
        wait_for("the app", lambda: panel.answers("paying"))
        for each in (visit, phone):
            expect(each.page.locator("h1 .state")).to_have_text("up")
            expect(each.page.get_by_role("alert")).to_have_count(0)
            each.close()
            assert each.complaints == []
        shown = panel.cli("wallet", "show", "Main").stdout
        assert "invoice 7, by admin@localhost" in shown
        assert "the starting credit" in shown
        repository.push("paying")
        assert panel.get("paying").body == "Hello again\n"

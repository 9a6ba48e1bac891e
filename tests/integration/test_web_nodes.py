"""The page of the worker nodes."""

import pytest

from skypanel.domain.node import Availability, NodeState
from skypanel.domain.report import Report
from skypanel.flow import heartbeat
from skypanel.store import nodes
from tests.fakes.nodes import FakeMachine
from tests.integration.test_flow_nodes import READY

ADDRESS = "10.0.0.2"
FORM = {"name": "one", "address": ADDRESS, "port": "22", "user": "root", "key": "a key", "password": ""}


@pytest.fixture
def machine(stage):
    machine = FakeMachine(secret="a key\n")
    machine.answer("docker info", "root=", out=READY)
    stage.panel.machines.machines[ADDRESS] = machine
    stage.panel.swarm.join("manager", availability=Availability.ACTIVE)
    return machine


async def known(stage):
    async with stage.panel.transaction() as conn:
        return await nodes.all(conn)


@pytest.mark.req("R5.1")
async def test_a_form_adds_a_machine_and_has_it_provisioned(admin, stage, machine):
    assert (await admin.send("/admin/nodes", page="/admin/nodes", provision="on", **FORM)).status == 303
    [node] = await known(stage)
    assert (node.name, node.address, node.state) == ("one", ADDRESS, NodeState.PROVISIONING)
    page = await admin.page("/admin/nodes")
    assert 'class="state provisioning"' in page
    assert "a key" not in page


@pytest.mark.req("R5.1")
async def test_a_password_does_too(admin, stage, machine):
    machine.secret = "correct horse"
    assert (await admin.send("/admin/nodes", page="/admin/nodes", **FORM | {"key": "", "password": "correct horse"})).status == 303
    [node] = await known(stage)
    assert node.state is NodeState.PENDING


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"key": ""}, "Give a private key or a password"),
        ({"password": "both"}, "and not both"),
        ({"port": "x"}, "This is not a port number."),
        ({"port": "99999"}, "99999 is not a port number."),
        ({"name": "<b>"}, "is not a valid node name."),
        ({"address": "10.0.0.9"}, "No SSH server answers at 10.0.0.9."),
        ({"key": "another"}, "rejects this key for the user root"),
    ],
)
async def test_what_cannot_be_added_is_told_and_the_form_kept(admin, stage, machine, change, line):
    response = await admin.send("/admin/nodes", page="/admin/nodes", **FORM | change)
    page = await response.text()
    assert response.status == 422
    assert line in page.replace("&#39;", "'")
    assert 'value="root"' in page
    assert "a key" not in page
    assert await known(stage) == []


@pytest.mark.req("R5.4")
async def test_the_page_shows_what_a_node_uses_and_what_can_be_done(admin, stage, machine):
    await admin.send("/admin/nodes", page="/admin/nodes", **FORM)
    [node] = await known(stage)
    await heartbeat.record(stage.panel, node, Report(4, 1.25, 8 * 1024**3, 1024**3, 10 * 1024**3, 2 * 1024**3, 7))
    page = await admin.page("/admin/nodes")
    for label, used in (("CPU cores", "1.2 of 4"), ("RAM", "1.0G of 8.0G"), ("Containers", "7")):
        assert f'<td class="number" data-label="{label}">{used}</td>' in page
    assert "Disk 2.0G of 10.0G" in page
    assert 'data-label="Last heartbeat"><time' in page
    assert '<button name="change" value="provision"' in page
    assert '<button name="change" value="drain"' not in page
    assert (await admin.send("/admin/nodes/change", page="/admin/nodes", name="one", change="remove", confirm="one")).status == 303
    [node] = await known(stage)
    assert node.state is NodeState.REMOVING


@pytest.mark.parametrize(("name", "change"), [("one", "drain"), ("none", "drain"), ("one", "burn"), ("\x00", "drain"), ("one", "remove")])
async def test_what_cannot_be_done_is_told(admin, stage, machine, name, change):
    await admin.send("/admin/nodes", page="/admin/nodes", **FORM)
    assert (await admin.send("/admin/nodes/change", page="/admin/nodes", name=name, change=change)).status == 422
    [node] = await known(stage)
    assert node.state is NodeState.PENDING


async def test_nobody_but_administrators_sees_it(client, stage, machine):
    assert (await client.sign_in(await stage.outsider())).status == 303
    assert "/admin/nodes" not in await client.page("/apps")
    await client.page("/admin/nodes", 403)
    assert (await client.send("/admin/nodes", page="/account", **FORM)).status == 403
    assert await known(stage) == []


async def test_without_a_form_of_ours_nothing_happens(admin, stage, machine):
    response = await admin.post("/admin/nodes", data=FORM | {"form_token": "0" * 64}, headers={"Origin": "http://skypanel.localhost:8080"})
    assert response.status == 403
    assert await known(stage) == []

"""Nodes on a real database, with a Swarm and machines that do as they are told."""

import asyncio
import json

import pytest
from sqlalchemy import text

from skypanel.domain import provision as plan
from skypanel.domain.account import Account
from skypanel.domain.errors import Conflict, Denied, Invalid, NotFound, Unavailable
from skypanel.domain.node import Availability, Node, NodeState, SecretKind, Wanted
from skypanel.domain.output import node_stream
from skypanel.domain.report import Report
from skypanel.flow import heartbeat, mail, provision, settings, staging, watch
from skypanel.flow import nodes as nodes_flow
from skypanel.flow.secrets import reencrypt
from skypanel.flow.setup import publish_authority
from skypanel.ports.queue import Job
from skypanel.store import alerts, audit, nodes
from tests.fakes.nodes import FakeMachine
from tests.support import factories
from tests.support.panels import open_stage
from tests.support.until import until

ADDRESS = "10.0.0.2"
BARE = "root=yes\nos=Debian GNU/Linux 12 (bookworm)\napt=yes\npython=3.11\n"
READY = f"{BARE}docker=yes\nzstd=yes\ndaemon=20.10.24\nswarm=inactive\nmember=\n"
REPORT = Report(2, 0.5, 4096, 1024, 8192, 2048, 3)


@pytest.fixture
async def stage(database, tmp_path):
    stage = await open_stage(database, tmp_path)
    await publish_authority(stage.panel, "a certificate")
    stage.panel.swarm.join("manager", availability=Availability.ACTIVE, tasks=1)
    stage.panel.swarm.images[stage.panel.swarm.stack_images[0]] = b"an image"
    return stage


@pytest.fixture
def machine(stage):
    machine = FakeMachine()
    machine.answer("docker info", "root=", out=READY)
    machine.answer("agent join", out="member=m1\n")
    stage.panel.machines.machines[ADDRESS] = machine
    return machine


async def added(stage, name="one"):
    return await nodes_flow.add(stage.panel, stage.admin, name, ADDRESS, 22, "root", SecretKind.KEY, "a key")


async def now(stage, node: Node):
    async with stage.panel.transaction() as conn:
        return await nodes.by_id(conn, node.id)


async def provisioned(stage, machine, node=None):
    """Provision a node; its agent answers as soon as it is started."""
    node = node or await added(stage)
    await nodes_flow.provision(stage.panel, stage.admin, node.name)
    work = asyncio.create_task(provision.work(stage.panel, "worker"))
    stage.panel.swarm.join("m1")

    async def started():
        return work.done() or any("agent start" in command for command in machine.commands)

    await until(started)
    while not work.done():
        await heartbeat.record(stage.panel, await now(stage, node), REPORT)
        await asyncio.wait([work], timeout=0.05)
    await work
    return await now(stage, node)


@pytest.fixture
async def active(stage, machine):
    node = await provisioned(stage, machine)
    assert node.state is NodeState.ACTIVE
    machine.answer("docker info", "root=", out=READY.replace("swarm=inactive\nmember=", "swarm=active\nmember=m1"))
    return node


async def silence(stage, node, seconds):
    """Have it be some seconds since the node was heard of."""
    async with stage.panel.transaction() as conn:
        statement = (
            f"UPDATE paas_nodes SET heartbeat_at = clock_timestamp() - interval '{seconds} s', joined_at = NULL WHERE id = '{node.id}'"
        )
        await conn.execute(text(statement))


async def open_alerts(stage):
    async with stage.panel.transaction() as conn:
        return [alert.message for alert in await alerts.open_(conn)]


def output(stage, node):
    return stage.panel.output.texts(node_stream(node.id))


class TestAdding:
    async def test_the_login_is_encrypted_and_the_host_key_kept(self, stage, machine):
        node = await added(stage)
        assert (node.state, node.host_key) == (NodeState.PENDING, machine.host_key)
        assert b"a key" not in node.secret
        assert stage.panel.cipher.decrypt(node.secret) == "a key"
        assert "a key" not in repr(node)
        async with stage.panel.transaction() as conn:
            [entry] = [row for row in await audit.recent(conn, 5) if row.action == "node.add"]
        assert entry.details["node"] == "one"
        assert "a key" not in repr(entry)

    async def test_the_login_comes_under_the_newest_key(self, stage, machine):
        node = await added(stage)
        stage.panel.cipher.keys.insert(0, 2)
        await reencrypt(stage.panel)
        assert (await now(stage, node)).secret.startswith(b"2:")

    @pytest.mark.parametrize(
        ("name", "address", "port", "user", "secret", "error"),
        [
            ("one", "10.0.0.9", 22, "root", "a key", Unavailable),
            ("one", ADDRESS, 22, "root", "another key", Denied),
            ("one two", ADDRESS, 22, "root", "a key", Invalid),
            ("-one", ADDRESS, 22, "root", "a key", Invalid),
            ("", ADDRESS, 22, "root", "a key", Invalid),
            ("one", "-oProxyCommand=x", 22, "root", "a key", Invalid),
            ("one", ADDRESS, 0, "root", "a key", Invalid),
            ("one", ADDRESS, 22, "ro ot", "a key", Invalid),
        ],
    )
    async def test_what_cannot_be_a_node_is_not_added(self, stage, machine, name, address, port, user, secret, error):  # noqa: PLR0917 - a case
        with pytest.raises(error):
            await nodes_flow.add(stage.panel, stage.admin, name, address, port, user, SecretKind.KEY, secret)
        assert await nodes_flow.overview(stage.panel, stage.admin) == ([], [])

    async def test_who_cannot_become_root_there_is_told(self, stage, machine):
        machine.answer("docker info", "root=", out="os=Debian\n")
        with pytest.raises(Denied, match="sudo requires a password"):
            await added(stage)

    async def test_a_name_is_taken_once(self, stage, machine):
        await added(stage)
        with pytest.raises(Conflict, match="a node one already"):
            await added(stage)

    async def test_nobody_but_an_administrator_may(self, stage, machine):
        await added(stage)
        member = Account(stage.admin.id, "member@example.com")
        for act in (nodes_flow.provision, nodes_flow.drain, nodes_flow.activate, nodes_flow.remove, nodes_flow.get):
            with pytest.raises(Denied):
                await act(stage.panel, member, "one")
        with pytest.raises(Denied):
            await nodes_flow.overview(stage.panel, member)
        with pytest.raises(Denied):
            await nodes_flow.add(stage.panel, member, "two", ADDRESS, 22, "root", SecretKind.KEY, "a key")

    async def test_a_node_that_is_not_there_is_not_found(self, stage):
        with pytest.raises(NotFound, match="Run `skypanel nodes` to list them"):
            await nodes_flow.drain(stage.panel, stage.admin, "nowhere")


class TestProvisioning:
    async def test_what_is_missing_is_installed_and_the_machine_joins(self, stage, machine):
        machine.answer("docker info", "root=", out=BARE)
        node = await provisioned(stage, machine)
        assert (node.state, node.member_id, node.error) == (NodeState.ACTIVE, "m1", None)
        assert stage.panel.swarm.known["m1"].availability is Availability.ACTIVE
        said = output(stage, node)
        assert "-----> Installing docker.io, zstd" in said
        assert "-----> one is a node now" in said
        [join] = [command for command in machine.fed if "agent join" in command]
        assert json.loads(machine.fed[join]) == {"address": "10.0.0.1:2377", "token": "SWMTKN-1-secret"}
        [load] = [command for command in machine.fed if "docker load" in command]
        assert machine.fed[load] == b"an image"
        assert not [command for command in machine.commands if "SWMTKN" in command]

    async def test_the_agent_gets_a_token_of_which_only_the_digest_is_kept(self, stage, machine):
        node = await provisioned(stage, machine)
        [place] = [command for command in machine.fed if plan.CONFIG in command and "place" in command]
        config = json.loads(machine.fed[place])
        assert (config["address"], config["port"], config["name"], config["ca"]) == (
            "10.0.0.1",
            8443,
            "skypanel.localhost",
            "a certificate",
        )
        assert (await heartbeat.agent(stage.panel, config["token"])).id == node.id
        with pytest.raises(Denied):
            await heartbeat.agent(stage.panel, "another")
        assert config["token"] not in "".join(output(stage, node)) + "".join(machine.commands)

    async def test_a_machine_with_docker_is_adopted(self, stage, machine):
        node = await provisioned(stage, machine)
        assert "-----> Using Docker 20.10.24, which is already installed" in output(stage, node)
        assert not [command for command in machine.commands if "apt-get -o" in command]

    async def test_a_member_is_adopted(self, stage, machine):
        stage.panel.swarm.join("m7")
        machine.answer("docker info", "root=", out=READY.replace("swarm=inactive\nmember=", "swarm=active\nmember=m7"))
        node = await provisioned(stage, machine)
        assert node.member_id == "m7"
        assert not [command for command in machine.commands if "agent join" in command]

    async def test_an_image_that_is_there_is_not_loaded_again(self, stage, machine):
        machine.answer("docker image inspect", out=await stage.panel.swarm.image_id(stage.panel.swarm.stack_images[0]))
        await provisioned(stage, machine)
        assert not [command for command in machine.commands if "docker load" in command]

    @pytest.mark.parametrize(
        ("answer", "line"),
        [
            (
                (("docker info", "root="), 0, "root=yes\nos=Alpine Linux\npython=3.11\n"),
                "has no apt-get, so Docker and zstd cannot be installed",
            ),
            ((("docker info", "root="), 0, READY.replace("inactive\nmember=", "active\nmember=other")), "a member of another Swarm"),
            ((("docker info", "root="), 0, "os=Debian\n"), "sudo requires a password"),
            ((("agent join",), 1, "Docker: rpc error: context deadline exceeded\n"), "context deadline exceeded"),
            ((("docker load",), 1, "no space left on device\n"), "A step failed: it exited with status 1"),
        ],
        ids=["no apt", "another Swarm", "no root", "join", "load"],
    )
    async def test_a_failure_is_told_and_leaves_the_node_pending(self, stage, machine, answer, line):
        node = await added(stage)
        words, code, out = answer
        machine.answer(*words, code=code, out=out)
        await nodes_flow.provision(stage.panel, stage.admin, "one")
        await provision.work(stage.panel, "worker")
        node = await now(stage, node)
        assert node.state is NodeState.PENDING
        assert line in node.error
        assert any(line in text for text in output(stage, node))
        assert not [command for command in machine.commands if "agent start" in command]

    async def test_a_changed_host_key_ends_it_before_anything_is_done(self, stage, machine):
        node = await added(stage)
        machine.host_key = "ssh-ed25519 AAAA2"
        machine.commands.clear()
        await nodes_flow.provision(stage.panel, stage.admin, "one")
        await provision.work(stage.panel, "worker")
        assert "has changed" in (await now(stage, node)).error
        assert machine.commands == []

    async def test_a_missing_stack_image_is_told(self, stage, machine):
        stage.panel.swarm.images.clear()
        node = await provisioned(stage, machine)
        assert "skypanel stack build" in node.error

    async def test_a_worker_that_was_killed_in_the_middle_is_followed_by_another(self, stage, machine):
        node = await added(stage)
        await nodes_flow.provision(stage.panel, stage.admin, "one")
        machine.hold = ("docker load", asyncio.Event())
        killed = asyncio.create_task(provision.work(stage.panel, "killed"))
        await machine.held.wait()
        killed.cancel()
        with pytest.raises(asyncio.CancelledError):
            await killed
        assert (await now(stage, node)).state is NodeState.PROVISIONING
        await provision.work(stage.panel, "another, too early")
        assert (await now(stage, node)).attempt == 1
        async with stage.panel.transaction() as conn:
            await conn.execute(text("UPDATE paas_nodes SET lease_until = clock_timestamp() - interval '1 s'"))
        await provision.wake_waiting(stage.panel)
        assert stage.panel.queue.woken[Job.NODE] == 2
        machine.hold = None
        machine.commands.clear()
        machine.answer("docker info", "root=", out=READY.replace("swarm=inactive\nmember=", "swarm=active\nmember=m1"))
        stage.panel.swarm.join("m1")
        work = asyncio.create_task(provision.work(stage.panel, "another"))
        await until(lambda: any("agent start" in command for command in machine.commands))
        await heartbeat.record(stage.panel, node, REPORT)
        await work
        node = await now(stage, node)
        assert (node.state, node.attempt) == (NodeState.ACTIVE, 2)
        assert not [command for command in machine.commands if "agent join" in command]

    async def test_one_that_was_a_node_before_is_judged_by_its_heartbeats_if_it_fails_again(self, stage, active, machine):
        machine.answer("docker load", code=1, out="\x1b[2Jno space left\n")
        await nodes_flow.provision(stage.panel, stage.admin, "one")
        await provision.work(stage.panel, "worker")
        assert (await now(stage, active)).state is NodeState.JOINING
        await heartbeat.record(stage.panel, await now(stage, active), REPORT)
        assert (await now(stage, active)).state is NodeState.ACTIVE

    async def test_what_a_machine_says_is_shown_without_its_escapes(self, stage, machine):
        machine.answer("agent join", code=1, out="\x1b[2J\x07gone\n")
        await added(stage)
        await nodes_flow.provision(stage.panel, stage.admin, "one")
        await provision.work(stage.panel, "worker")
        [node], _ = await nodes_flow.overview(stage.panel, stage.admin)
        assert node.node.error.isprintable()

    @pytest.mark.parametrize("out", ["", "member=\n", "member=../secrets\n", "member=m1 m2\n"])
    async def test_a_member_without_a_name_is_refused(self, stage, machine, out):
        machine.answer("agent join", out=out)
        node = await added(stage)
        await nodes_flow.provision(stage.panel, stage.admin, "one")
        await provision.work(stage.panel, "worker")
        assert "does not report its node ID" in (await now(stage, node)).error

    async def test_one_that_is_to_be_removed_meanwhile_is_removed_after_a_failure(self, stage, machine):
        node = await added(stage)
        await nodes_flow.provision(stage.panel, stage.admin, "one")
        await nodes_flow.remove(stage.panel, stage.admin, "one")
        machine.answer("agent join", code=1, out="no")
        await provision.work(stage.panel, "worker")
        assert await now(stage, node) is None

    async def test_asking_twice_is_a_conflict(self, stage, machine):
        await added(stage)
        await nodes_flow.provision(stage.panel, stage.admin, "one")
        with pytest.raises(Conflict, match="one is provisioning"):
            await nodes_flow.provision(stage.panel, stage.admin, "one")

    async def test_it_can_be_followed(self, stage, machine):
        node = await added(stage)
        lines = []

        async def write(line):
            lines.append(line)

        before = await nodes_flow.provision(stage.panel, stage.admin, "one")
        following = asyncio.create_task(nodes_flow.follow(stage.panel, before, write))
        machine.answer("agent join", code=1, out="no route to host")
        await provision.work(stage.panel, "worker")
        assert (await following).error
        assert lines == output(stage, node)
        assert " !     A step failed: no route to host." in lines


class TestHealth:
    @pytest.mark.req("R5.3")
    @pytest.mark.req("R5.5")
    async def test_three_missed_heartbeats_make_a_node_inactive_and_raise_an_alert(self, stage, active):
        await settings.change(stage.panel, stage.admin, {"smtp_host": "smtp.example.com", "mail_sender": "panel@example.com"})
        stage.panel.swarm.change("m1", tasks=2)
        await silence(stage, active, 29)
        await watch.check(stage.panel)
        assert (await now(stage, active)).state is NodeState.ACTIVE
        await silence(stage, active, 31)
        for _ in range(2):
            await watch.check(stage.panel)
        assert (await now(stage, active)).state is NodeState.INACTIVE
        assert stage.panel.swarm.known["m1"].availability is Availability.DRAIN
        assert stage.panel.swarm.known["m1"].tasks == 0
        assert await open_alerts(stage) == ["The node one has sent no heartbeat for 30 s."]
        await mail.deliver(stage.panel, lambda: False)
        assert [(sent.to, sent.subject) for sent in stage.panel.mailer.sent] == [(stage.admin.email, "The node one is inactive")]

    @pytest.mark.req("R5.5")
    async def test_the_swarms_own_word_is_enough(self, stage, active):
        stage.panel.swarm.change("m1", is_ready=False)
        await watch.check(stage.panel)
        assert (await now(stage, active)).state is NodeState.INACTIVE
        assert await open_alerts(stage) == ["The node one is down: the Swarm cannot reach it."]

    async def test_it_comes_back_by_itself(self, stage, active):
        await silence(stage, active, 60)
        await watch.check(stage.panel)
        await heartbeat.record(stage.panel, await now(stage, active), REPORT)
        assert (await now(stage, active)).state is NodeState.ACTIVE
        assert stage.panel.swarm.known["m1"].availability is Availability.ACTIVE
        assert await open_alerts(stage) == []

    async def test_one_that_left_the_swarm_is_inactive(self, stage, active):
        await stage.panel.swarm.remove("m1")
        await watch.check(stage.panel)
        assert await open_alerts(stage) == ["The node one is no longer a member of the Swarm."]

    async def test_a_drained_node_that_is_lost_comes_back_drained(self, stage, active):
        await nodes_flow.drain(stage.panel, stage.admin, "one")
        stage.panel.swarm.change("m1", is_ready=False)
        await watch.check(stage.panel)
        assert (await now(stage, active)).state is NodeState.INACTIVE
        stage.panel.swarm.change("m1", is_ready=True)
        await heartbeat.record(stage.panel, await now(stage, active), REPORT)
        assert (await now(stage, active)).state is NodeState.DRAINED

    async def test_what_somebody_set_by_hand_is_set_right(self, stage, active):
        await stage.panel.swarm.set_availability("m1", Availability.DRAIN)
        await watch.check(stage.panel)
        assert stage.panel.swarm.known["m1"].availability is Availability.ACTIVE

    async def test_without_nodes_nobody_asks_the_swarm(self, stage):
        stage.panel.swarm.gone = True
        await watch.check(stage.panel)

    @pytest.mark.req("R5.4")
    async def test_what_it_reports_is_shown(self, stage, active):
        [found], _ = await nodes_flow.overview(stage.panel, stage.admin)
        assert found.node.report.containers == 3
        assert (found.node.report.cpu_used, found.node.report.memory_used_bytes) == (0.5, 1024)
        assert found.member.is_ready


class TestDraining:
    async def test_a_drained_node_loses_no_dyno_and_can_be_activated(self, stage, active):
        stage.panel.swarm.change("m1", tasks=3)
        await nodes_flow.drain(stage.panel, stage.admin, "one")
        assert (await now(stage, active)).state in {NodeState.DRAINING, NodeState.DRAINED}
        await watch.check(stage.panel)
        assert (await now(stage, active)).state is NodeState.DRAINED
        assert stage.panel.swarm.known["manager"].tasks == 4
        await nodes_flow.activate(stage.panel, stage.admin, "one")
        assert (await now(stage, active)).state is NodeState.ACTIVE

    async def test_one_with_dynos_left_is_draining(self, stage, active):
        stage.panel.swarm.change("manager", availability=Availability.DRAIN)
        stage.panel.swarm.change("m1", tasks=3)
        await nodes_flow.drain(stage.panel, stage.admin, "one")
        assert (await now(stage, active)).state is NodeState.DRAINING

    async def test_what_never_joined_cannot_be_drained(self, stage, machine):
        await added(stage)
        with pytest.raises(Conflict, match="not a member of the Swarm yet"):
            await nodes_flow.drain(stage.panel, stage.admin, "one")


class TestRemoving:
    async def test_it_is_drained_first(self, stage, active, machine):
        stage.panel.swarm.change("manager", availability=Availability.DRAIN)
        stage.panel.swarm.change("m1", tasks=1)
        await nodes_flow.remove(stage.panel, stage.admin, "one")
        await provision.work(stage.panel, "worker")
        assert (await now(stage, active)).state is NodeState.DRAINING
        stage.panel.swarm.change("m1", tasks=0)
        await watch.check(stage.panel)
        await provision.work(stage.panel, "worker")
        assert await now(stage, active) is None
        assert "m1" not in stage.panel.swarm.known
        assert any("agent leave" in command for command in machine.commands)
        assert any(f"rm -f {plan.CONFIG}" in command for command in machine.commands)
        async with stage.panel.transaction() as conn:
            assert "node.remove" in {row.action for row in await audit.recent(conn, 10)}

    async def test_one_that_is_gone_is_removed_all_the_same(self, stage, active):
        del stage.panel.machines.machines[ADDRESS]
        stage.panel.swarm.change("m1", is_ready=False, tasks=2)
        await watch.check(stage.panel)
        await nodes_flow.remove(stage.panel, stage.admin, "one")
        await provision.work(stage.panel, "worker")
        assert await now(stage, active) is None
        assert await open_alerts(stage) == []

    async def test_one_that_never_joined_is_just_forgotten(self, stage, machine):
        node = await added(stage)
        machine.commands.clear()
        await nodes_flow.remove(stage.panel, stage.admin, "one")
        await provision.work(stage.panel, "worker")
        assert await now(stage, node) is None
        assert machine.commands == []

    async def test_where_the_swarm_is_away_it_is_tried_again_when_the_lease_ends(self, stage, active):
        await nodes_flow.remove(stage.panel, stage.admin, "one")
        stage.panel.swarm.gone = True
        await provision.work(stage.panel, "worker")
        node = await now(stage, active)
        assert (node.state, node.wanted) == (NodeState.REMOVING, Wanted.REMOVED)
        assert "does not answer" in node.error


class TestSlugs:
    @pytest.fixture
    async def app(self, stage):
        made = await stage.app()
        await stage.push(made, "first")
        await stage.work()
        return made

    async def test_agents_are_to_have_what_serves_and_what_is_being_rolled_out(self, stage, app, machine):
        found = await heartbeat.orders(stage.panel, await provisioned(stage, machine), "")
        [digest] = found.digests
        assert ("slugs", digest) in stage.panel.objects.stored
        assert b"".join([chunk async for chunk in heartbeat.slug(stage.panel, digest)]) == b"a slug"
        with pytest.raises(NotFound):
            [chunk async for chunk in heartbeat.slug(stage.panel, factories.digest())]

    async def test_who_knows_it_all_waits_for_a_change(self, stage, app, machine):
        node = await provisioned(stage, machine)
        known = await heartbeat.orders(stage.panel, node, "")
        waiting = asyncio.create_task(heartbeat.orders(stage.panel, node, known.mark))
        stage.panel.builder.answer("tar -c", out=b"another slug")
        await stage.push(app, "second")
        await stage.work()
        assert (await waiting).mark != known.mark
        assert (await heartbeat.orders(stage.panel, node, "", wait_s=0)).digests

    async def test_a_node_gets_dynos_once_it_has_every_slug(self, stage, app, machine):
        node = await provisioned(stage, machine)
        assert node.state is NodeState.JOINING
        assert stage.panel.swarm.known["m1"].availability is Availability.DRAIN
        digests = (await heartbeat.orders(stage.panel, node, "")).digests
        await heartbeat.record(stage.panel, node, Report(2, 0, 1, 1, 1, 1, 0, staged=tuple(digests)))
        assert (await now(stage, node)).state is NodeState.ACTIVE

    async def test_a_rollout_waits_for_the_active_nodes(self, stage, active, app):
        digest = factories.digest()
        waiting = asyncio.create_task(staging.stage_elsewhere(stage.panel.database, app, digest))
        with pytest.raises(Unavailable, match="did not reach one within"):
            await staging.stage_elsewhere(stage.panel.database, app, digest, timeout_s=0.3)
        assert not waiting.done()
        await heartbeat.record(stage.panel, active, Report(2, 0, 1, 1, 1, 1, 0, staged=(digest,)))
        await asyncio.wait_for(waiting, 60)

    async def test_a_node_that_cannot_have_it_is_named(self, stage, active, app):
        digest = factories.digest()
        await heartbeat.record(stage.panel, active, Report(2, 0, 1, 1, 1, 1, 0, failures={digest: "no space left"}))
        with pytest.raises(Unavailable, match="node one cannot load the slug of hello: no space left"):
            await staging.stage_elsewhere(stage.panel.database, app, digest)

    async def test_a_drained_node_is_not_waited_for(self, stage, active, app):
        await nodes_flow.drain(stage.panel, stage.admin, "one")
        await staging.stage_elsewhere(stage.panel.database, app, factories.digest())

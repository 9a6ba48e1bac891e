"""Worker nodes by the commands, on a whole panel, with a real SSH server as the machine."""

import pytest

from tests.fixtures.sshd import sshd

__all__ = ["sshd"]


@pytest.fixture
def key(sshd):
    return str(sshd.folder / "key")


def test_a_machine_is_added_shown_and_removed(panel, sshd, key):
    added = panel.cli("nodes", "add", "worker1", "127.0.0.1", "--port", str(sshd.port), "--key", key, "--user", sshd.user).stdout
    assert "From now on its host key must be SHA256:" in added
    listed = panel.cli("nodes").stdout
    assert ["worker1", "pending", "127.0.0.1", "-", "-", "-", "-", "never"] in [line.split() for line in listed.splitlines()]
    shown = panel.cli("nodes", "show", "worker1").stdout
    assert "not in the Swarm yet" in shown
    sshd.stop()
    sshd.new_key("host_key")
    sshd.start()
    refused = panel.cli("nodes", "drain", "worker1", check=False)
    assert "worker1 is not a member of the Swarm yet." in refused.stderr
    panel.cli("nodes", "provision", "worker1", check=False)
    assert "has changed" in panel.cli("nodes", "show", "worker1").stdout
    assert "worker1 is removed" in panel.cli("nodes", "remove", "worker1", "--confirm", "worker1").stdout
    assert "worker1" not in panel.cli("nodes").stdout


def test_what_cannot_be_added_is_told_and_not_added(panel, sshd, key):
    place = ("127.0.0.1", "--port", str(sshd.port), "--user", sshd.user)
    sshd.new_key("another")
    wrong = panel.cli("nodes", "add", "worker2", *place, "--key", str(sshd.folder / "another"), check=False)
    assert f" !     127.0.0.1 rejects this key for the user {sshd.user}." in wrong.stderr
    wrong = panel.cli("nodes", "add", "worker 2", *place, "--key", key, check=False)
    assert "is not a valid node name." in wrong.stderr
    wrong = panel.cli("nodes", "remove", "worker2", "--confirm", "worker1", check=False)
    assert "Nothing was changed." in wrong.stderr
    assert "worker2" not in panel.cli("nodes").stdout

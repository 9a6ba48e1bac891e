import subprocess

import pytest

from skypanel.embedded.interruption import Interruption
from skypanel.embedded.welcome import Welcome, key_folders, keys_from_json, keys_to_json, read_public_keys


@pytest.fixture
def ssh_folder(tmp_path):
    subprocess.run(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "ann@laptop", "-f", tmp_path / "id_ed25519"), check=True)
    return tmp_path


def test_reads_public_keys_and_passes_over_what_is_none(ssh_folder):
    (ssh_folder / "broken.pub").write_text("no key\n")
    (ssh_folder / "config").write_text("Host *\n")
    keys, refused = read_public_keys([ssh_folder, ssh_folder / "nowhere"])
    assert [key.name for key in keys] == ["ann@laptop"]
    assert keys[0].fingerprint.startswith("SHA256:")
    assert len(refused) == 1
    assert "broken.pub was passed over" in refused[0]
    assert keys_from_json(keys_to_json(keys)) == keys


def test_a_welcome_travels_and_shows_no_secret():
    welcome = Welcome(2, "/login?token=once", "secret")
    assert Welcome.from_json(welcome.to_json()) == welcome
    assert "once" not in repr(welcome)
    assert "secret" not in repr(welcome)


def test_keys_are_looked_for_in_the_callers_home(tmp_path):
    assert key_folders({"HOME": str(tmp_path)})[0] == tmp_path / ".ssh"
    assert key_folders({"HOME": str(tmp_path), "SUDO_USER": "no-such-user"}) == (tmp_path / ".ssh",)
    assert key_folders({}) == ()


async def test_work_runs_to_its_end_and_its_error_is_seen():
    async def work():
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await Interruption().or_end_of(work())


async def test_the_first_signal_ends_the_work_and_the_second_hurries():
    interruption = Interruption()
    seen = []

    async def work():
        interruption.interrupt()
        try:
            await interruption.again.wait()
        finally:
            seen.append("cancelled")

    await interruption.or_end_of(work())
    assert seen == ["cancelled"]
    assert not interruption.again.is_set()
    interruption.interrupt()
    assert interruption.again.is_set()

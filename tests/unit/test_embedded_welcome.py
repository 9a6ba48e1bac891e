import json
import subprocess

import pytest

from skypanel.embedded.interruption import Interruption
from skypanel.embedded.starter import read_keys
from skypanel.embedded.welcome import MAX_KEY_BYTES, KeyFile, Welcome, key_files, key_folders


@pytest.fixture
def ssh_folder(tmp_path):
    subprocess.run(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "ann@laptop", "-f", tmp_path / "id_ed25519"), check=True)
    return tmp_path


def test_reads_public_keys_and_passes_over_what_is_none(ssh_folder, capsys):
    (ssh_folder / "broken.pub").write_text("no key\n")
    (ssh_folder / "config").write_text("Host *\n")
    (ssh_folder / "folder.pub").mkdir()
    keys = read_keys(key_files([ssh_folder, ssh_folder / "nowhere"]))
    assert [key.name for key in keys] == ["ann@laptop"]
    assert keys[0].fingerprint.startswith("SHA256:")
    said = [json.loads(line)["line"] for line in capsys.readouterr().out.splitlines()]
    assert len(said) == 2
    assert said[0].startswith(f"{ssh_folder}/broken.pub was skipped: broken.pub is not an SSH public key")
    assert "folder.pub" in said[1]


def test_of_a_large_file_the_beginning_is_read(tmp_path):
    (tmp_path / "large.pub").write_text("x" * MAX_KEY_BYTES + "y")
    assert key_files([tmp_path]) == (KeyFile(str(tmp_path / "large.pub"), "x" * MAX_KEY_BYTES),)


def test_a_welcome_shows_no_secret():
    welcome = Welcome(2, "SHA256:abc", "/login?token=once", "secret")
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

import json
import os
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from skypanel.domain.errors import Conflict, Invalid, NotFound, Unavailable
from skypanel.embedded import choices, home, users
from skypanel.embedded.running import write_token
from skypanel.settings import SSH_KEY_TYPES
from skypanel.settings.sources import load


@pytest.fixture
def folders():
    made = [Path(tempfile.mkdtemp(prefix="sky", dir="/var/tmp")) for _ in range(2)]
    yield made
    for folder in made:
        shutil.rmtree(home.run_folder(folder, users.panel_user(), os.environ), ignore_errors=True)
        shutil.rmtree(folder)


@pytest.fixture
def folder(folders):
    return folders[0]


def contents(folder):
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_a_second_init_changes_nothing(folder):
    first = home.init(folder, os.environ)
    kept = contents(folder)
    assert home.init(folder, os.environ) == first
    assert contents(folder) == kept
    assert load({"SKYPANEL_HOME": str(folder)}) == first


def test_only_the_panels_user_reads_what_is_secret(folder):
    settings = home.init(folder, os.environ)
    modes = {str(file.relative_to(folder)): stat.S_IMODE(file.stat().st_mode) for file in (folder, *folder.glob("*"), *folder.glob("*/*"))}
    open_to_others = {name: mode for name, mode in modes.items() if mode & 0o077}
    assert open_to_others == {".": 0o711, "ca.crt": 0o644, "logs": 0o711}
    assert stat.S_IMODE(settings.run_dir.stat().st_mode) == 0o700
    assert {file.stat().st_uid for file in (folder, settings.run_dir, *folder.rglob("*"))} == {settings.panel_uid}


def test_two_homes_share_no_port_subnet_uid_or_secret(folders):
    one, other = (home.init(folder, os.environ) for folder in folders)
    assert len({port for each in (one, other) for port in (each.web_port, each.traefik_port, each.git_port)}) == 6
    assert not one.subnet.overlaps(other.subnet)
    assert one.uid_base != other.uid_base
    assert one.run_dir != other.run_dir
    assert one.database_password != other.database_password
    assert one.encryption_keys_file.read_text() != other.encryption_keys_file.read_text()


def test_what_is_given_later_counts_and_is_kept(folder):
    first = home.init(folder, os.environ)
    given = {"SKYPANEL_HTTP_PORT": "9080", "SKYPANEL_ALLOW": "10.1.0.0/16"}
    limits = {"SKYPANEL_CONNECTIONS_PER_ADDRESS": "20", "SKYPANEL_TRUSTED_PROXIES": "10.2.0.0/16"}
    assert home.init(folder, {**os.environ, **given, **limits}).address.http_port == 9080
    kept = home.init(folder, os.environ)
    assert (kept.address.http_port, kept.allow, kept.web_port) == (9080, ("10.1.0.0/16",), first.web_port)
    assert (kept.connections_per_address, kept.trusted_proxies) == (20, ("10.2.0.0/16",))


def test_another_domain_gets_another_authority(folder):
    home.init(folder, os.environ)
    before = (folder / "ca.crt").read_bytes()
    home.init(folder, {**os.environ, "SKYPANEL_DOMAIN": "apps.example.com"})
    assert (folder / "ca.crt").read_bytes() != before
    checked = subprocess.run(
        ("openssl", "verify", "-CAfile", folder / "ca.crt", "-verify_hostname", "hello.apps.example.com", folder / "keys" / "panel.crt"),
        check=False,
        capture_output=True,
        text=True,
    )
    assert checked.stdout.strip().endswith("OK"), checked.stderr


def test_host_keys_are_of_each_kind(folder):
    settings = home.init(folder, os.environ)
    shown = [
        subprocess.run(("ssh-keygen", "-l", "-f", key), capture_output=True, text=True, check=True).stdout for key in settings.ssh_host_keys
    ]
    assert [line.rsplit("(", 1)[1].strip(")\n").lower() for line in shown] == list(SSH_KEY_TYPES)


def test_an_internal_port_that_was_taken_is_replaced_at_a_start_only(folder):
    first = home.init(folder, os.environ)
    with socket.create_server(("127.0.0.1", first.web_port)):
        assert home.init(folder, os.environ).web_port == first.web_port
        assert home.init(folder, os.environ, starting=True).web_port != first.web_port


def test_a_home_of_before_git_over_http_gets_a_port_for_it(folder):
    first = home.init(folder, os.environ)
    fields = json.loads((folder / "panel.json").read_text())
    del fields["git_port"]
    (folder / "panel.json").write_text(json.dumps(fields))
    upgraded = home.init(folder, os.environ, starting=True)
    assert upgraded.git_port not in {0, upgraded.web_port, upgraded.traefik_port}
    assert replace(upgraded, git_port=first.git_port) == first
    assert home.init(folder, os.environ).git_port == upgraded.git_port


def test_a_folder_of_something_else_is_refused(folder):
    (folder / "thesis.txt").write_text("mine")
    with pytest.raises(Conflict, match="is not the home of a panel, and not empty"):
        home.init(folder, os.environ)
    assert [file.name for file in folder.iterdir()] == ["thesis.txt"]


def test_a_newer_home_is_refused_and_left_alone(folder):
    home.init(folder, os.environ)
    text = (folder / "panel.json").read_text().replace('"version": 1', '"version": 2')
    (folder / "panel.json").write_text(text)
    with pytest.raises(Unavailable, match="newer SkyPanel"):
        home.init(folder, os.environ)
    assert (folder / "panel.json").read_text() == text


def test_root_takes_the_folder_of_the_sockets_from_nobody(folder):
    first = home.init(folder, os.environ)
    text = (folder / "panel.json").read_text().replace(str(first.run_dir), "/precious")
    (folder / "panel.json").write_text(text)
    # who is not root may do to their own folders what they like
    assert load({"SKYPANEL_HOME": str(folder)}).run_dir == (first.run_dir if os.geteuid() == 0 else Path("/precious"))
    assert home.init(folder, os.environ).run_dir == first.run_dir


def test_a_key_that_leads_elsewhere_is_not_read(folder):
    settings = home.init(folder, os.environ)
    key = folder / "keys" / "valkey.password"
    key.unlink()
    key.symlink_to("/etc/passwd")
    if settings.panel_uid != Path("/etc/passwd").stat().st_uid:
        with pytest.raises(Invalid, match="does not belong to the panel's user"):
            load({"SKYPANEL_HOME": str(folder)})


def test_a_bad_value_makes_nothing(folder):
    with pytest.raises(Invalid, match="SKYPANEL_SSH_PORT"):
        home.init(folder, {**os.environ, "SKYPANEL_SSH_PORT": "ssh"})
    with pytest.raises(NotFound):
        load({"SKYPANEL_HOME": str(folder)})


def test_a_closed_parent_is_named(folder):
    user = users.User(65534, 65534)
    inner = folder / "inner"
    inner.mkdir(mode=0o700)
    assert users.first_closed(inner / "home", user) == folder
    folder.chmod(0o711)
    assert users.first_closed(inner / "home", user) == inner
    inner.chmod(0o701)
    assert users.first_closed(inner / "home", user) is None


def test_services_see_nothing_of_the_callers_environment(folder):
    seen = home.service_environment(folder, {"AWS_SECRET_ACCESS_KEY": "x", "SSL_CERT_FILE": "/ca.pem", "PATH": "/mine", "PIP_CERT": ""})
    assert set(seen) - {"PYTHONPATH"} == {"HOME", "LANG", "PATH", "SKYPANEL_HOME", "SSL_CERT_FILE"}
    assert seen["PATH"].split(":")[0] == str(Path(sys.executable).parent)
    assert "/mine" not in seen["PATH"]


def test_the_token_is_the_callers_and_follows_no_link(folder):
    victim = folder / "victim"
    victim.write_text("precious")
    token = folder / "token"
    token.symlink_to(victim)
    write_token(token, "secret")
    assert victim.read_text() == "precious"
    assert (token.read_text(), stat.S_IMODE(token.stat().st_mode), token.stat().st_uid) == ("secret\n", 0o600, os.geteuid())


def test_a_taken_port_is_not_free():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert not choices.port_is_free(port)
        assert not choices.port_is_free(port, everywhere=True)
        assert choices.kept_port(port) != port
    with socket.create_server(("::", 0), family=socket.AF_INET6) as server:
        assert not choices.port_is_free(server.getsockname()[1], everywhere=True)

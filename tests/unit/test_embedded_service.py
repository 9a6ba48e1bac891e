from pathlib import Path

from skypanel.embedded.service import unit

COMMAND = Path("/opt/skypanel/env-0a1b2c3d/bin/skypanel")


def test_starts_the_panel_with_what_the_environment_says_now():
    environ = {"SKYPANEL_HTTP_PORT": "80", "SSL_CERT_FILE": "/ca.pem", "AWS_SECRET_ACCESS_KEY": "x", "HOME": "/root"}
    lines = unit(COMMAND, Path("/var/lib/skypanel"), environ, of_root=True).splitlines()
    assert [line for line in lines if line.startswith("Environment=")] == [
        'Environment="SSL_CERT_FILE=/ca.pem"',
        'Environment="SKYPANEL_HTTP_PORT=80"',
        'Environment="SKYPANEL_HOME=/var/lib/skypanel"',
    ]
    assert f'ExecStart="{COMMAND}" up' in lines
    assert "WantedBy=multi-user.target" in lines


def test_a_users_own_knows_the_users_home_and_keys():
    lines = unit(COMMAND, Path("/home/ann/panel"), {"HOME": "/home/ann"}, of_root=False).splitlines()
    assert 'Environment="HOME=/home/ann"' in lines
    assert "WantedBy=default.target" in lines


def test_odd_paths_are_escaped():
    lines = unit(Path('/opt/a "b" $c'), Path("/srv/100%"), {}, of_root=True).splitlines()
    assert 'Environment="SKYPANEL_HOME=/srv/100%%"' in lines
    assert 'ExecStart="/opt/a \\"b\\" $$c" up' in lines

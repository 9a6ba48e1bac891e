"""What processes hold in memory, by what they import."""

import subprocess
import sys

import pytest

LIBRARIES = ("aiohttp", "aiopg", "asyncssh", "celery", "cryptography", "psycopg2", "redis", "sqlalchemy")


@pytest.mark.parametrize(
    ("imported", "unwanted"),
    [
        ("web.app, skypanel.engines.embedded", {"boto3", "docker", "asyncssh", "aiosmtplib", "pyotp", "segno", "webauthn"}),
        ("gitreceiver.__main__, skypanel.engines.embedded", {"boto3", "docker", "jinja2"}),
        ("workers.run, workers.app, skypanel.engines.embedded", {"boto3", "docker", "asyncssh", "jinja2", "aiosmtplib"}),
        ("workers.collector", {"boto3", "docker", *LIBRARIES}),
    ],
)
def test_a_panel_on_files_holds_no_library_in_memory_that_it_has_no_use_for(imported, unwanted):
    shown = subprocess.run(
        [sys.executable, "-c", f"import sys; import {imported}; print(*sys.modules)"], capture_output=True, text=True, check=True
    )
    assert not unwanted & set(shown.stdout.split())


def test_up_which_stays_holds_no_library_in_memory_that_only_a_start_needs():
    code = "import sys; from skypanel.cli.main import commands; commands.get_command(None, 'up'); print(*sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(LIBRARIES) & set(shown.stdout.split())


def test_commands_hold_no_http_client_in_memory_until_a_route_changes():
    code = "import sys, skypanel.cli.apps, skypanel.engines.embedded; print(*sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"aiohttp", "asyncssh", "boto3", "docker"} & set(shown.stdout.split())

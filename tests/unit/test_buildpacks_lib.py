import os
import signal
import subprocess
from pathlib import Path

import pytest

from skypanel.domain.buildpack import BUNDLED
from skypanel.domain.transcript import is_dimmed

BUILDPACKS = Path(__file__).parents[2] / "buildpacks"


def bash(script, *arguments, **environment):
    parts = "".join(f'source "{BUILDPACKS}/lib/{name}.sh"; ' for name in ("output", "environment", "cache"))
    return subprocess.run(
        ["bash", "-c", f"set -euo pipefail; {parts}{script}", "test", *map(str, arguments)],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("name", BUNDLED)
def test_every_bundled_buildpack_is_whole(name):
    for program in ("detect", "compile", "release"):
        assert os.access(BUILDPACKS / name / "bin" / program, os.X_OK)
    assert (BUILDPACKS / name / "README.md").read_text().startswith("# ")


def test_output_has_herokus_form():
    done = bash("heading one; detail two three; indented printf 'four\\n\\nfive\\n'; warn six seven")
    assert done.stdout == "-----> one\n       two\n       three\n       four\n\n       five\n"
    assert done.stderr == " !     six\n !     seven\n"


def test_an_indented_command_keeps_its_exit_status():
    assert bash("indented sh -c 'echo why >&2; exit 7'").returncode == 7


def test_an_indented_script_without_a_first_line_that_names_its_shell_is_bashs(tmp_path):
    script = tmp_path / "pre_compile"
    script.write_text("[[ $1 == one ]] && echo ${BASH##*/}\n")
    script.chmod(0o755)
    done = bash('indented "$1" one', script)
    assert (done.returncode, done.stdout) == (0, "       bash\n")


@pytest.mark.parametrize("background", ["sleep 1000 &", "setsid nohup sleep 1000 &"])
def test_an_indented_command_ends_without_what_it_left_in_the_background(tmp_path, background):
    script = f"{background} echo $! > {tmp_path}/pid; seq 20000; echo end; exit 3"
    done = bash('indented bash -c "$1"', script, HOME=str(tmp_path))
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
    assert done.returncode == 3
    assert [line.strip() for line in done.stdout.splitlines()] == [*map(str, range(1, 20001)), "end"]


def test_an_indented_command_ends_though_what_it_left_prints_without_end(tmp_path):
    done = bash('indented bash -c "$1"', f"yes & echo $! > {tmp_path}/pid; exit 3", HOME=str(tmp_path))
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
    assert done.returncode == 3


def test_an_indented_line_that_never_ends_is_cut_and_one_without_an_end_is_printed():
    done = bash("indented bash -c \"head -c 40000 /dev/zero | tr '\\\\0' x; printf '\\nlast'\"")
    lengths = [len(line.removeprefix("       ")) for line in done.stdout.splitlines()]
    assert (lengths, done.stdout[-12:]) == ([16384, 16384, 40000 - 2 * 16384, 4], "       last\n")


def test_a_command_that_is_missing_is_told(tmp_path):
    done = bash("indented no-such-command one", HOME=str(tmp_path))
    assert (done.returncode, done.stdout) == (127, "       no-such-command: No such file or directory\n")


ROUTINE = [
    "Collecting flask==3.0.0 (from -r requirements.txt (line 1))",
    "  Downloading flask-3.0.0-py3-none-any.whl.metadata (3.6 kB)",
    "  Using cached werkzeug-3.0.1-py3-none-any.whl (226 kB)",
    "Requirement already satisfied: six in /app/lib (1.16.0)",
    "Installing collected packages: werkzeug, flask",
    "  Building wheel for psycopg2 (setup.py): started",
    " + flask==3.0.0",
    "npm warn deprecated glob@7.2.3: Glob versions prior to v9 are no longer supported",
    "npm WARN deprecated request@2.88.2: request has been deprecated",
    "npm notice New major version of npm available! 10.8.2 -> 11.0.0",
    "warning express > debug > ms@0.7.1: no longer maintained",
    "➤ YN0013: │ express@npm:4.18.2 can't be found in the cache",
    " WARN  deprecated glob@7.2.3",
    "Progress: resolved 58, reused 0, downloaded 57, added 57, done",
]
TELLING = [
    "Successfully installed flask-3.0.0 werkzeug-3.0.1",
    "ERROR: Could not find a version that satisfies the requirement flask==99",
    "WARNING: flask 3.0.0 does not provide the extra 'nope'",
    "npm warn config production Use `--omit=dev` instead.",
    "npm error code ERESOLVE",
    "added 64 packages in 2s",
    "warning package.json: No license field",
    "➤ YN0001: │ RequestError",
    "Resolved 7 packages in 120ms",
    "Installed 7 packages in 12ms",
]


def test_what_is_routine_of_package_managers_is_set_apart_for_the_log(tmp_path):
    (tmp_path / "printed").write_text("\n".join([*ROUTINE, *TELLING]))
    lines = bash('indented cat "$1"', tmp_path / "printed", HOME=str(tmp_path)).stdout.splitlines()
    asides = [line for line in lines if is_dimmed(line)]
    assert asides == [f"\x1b[2m       {line}\x1b[0m" for line in ROUTINE]
    assert [line for line in lines if line not in asides] == [
        *(f"       {line}" for line in TELLING),
        f"       ({len(ROUTINE)} lines more are in the build's log)",
    ]


def failed_fetching(tmp_path, printed):
    (tmp_path / "printed").write_text(printed)
    done = bash('indented sh -c "cat $1; exit 1" || fail_fetching "Wrong." "Mend it."', tmp_path / "printed", HOME=str(tmp_path))
    assert done.returncode == 1
    return done.stderr


OUTAGES = {
    "pip, no name": (
        "pypi.example",
        """\
Looking in indexes: https://ada:secret@pypi.example/simple
WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError('<HTTPSConnection object at 0x7f>: \
Failed to establish a new connection: [Errno -3] Temporary failure in name resolution')': /simple/flask/
ERROR: Could not find a version that satisfies the requirement flask==3.0.0 (from versions: none)
ERROR: No matching distribution found for flask==3.0.0
""",
    ),
    "pip, newer": (
        "pypi.example",
        "WARNING: Retrying after connection broken by 'ConnectTimeoutError(<HTTPSConnection(host='pypi.example')>)': /simple/x/\n",
    ),
    "pip, trouble": (
        "pypi.example",
        "ERROR: HTTP error 503 while getting https://pypi.example/packages/x-1.0.tar.gz\nERROR: Could not install requirement x\n",
    ),
    "npm, no name": (
        "registry.example.com",
        """\
npm error code ENOTFOUND
npm error syscall getaddrinfo
npm error network request to https://registry.example.com/express failed, reason: getaddrinfo ENOTFOUND registry.example.com
""",
    ),
    "npm, older": (
        "registry.example.com",
        "npm ERR! code E503\nnpm ERR! 503 Service Unavailable - GET https://registry.example.com/express\n",
    ),
    "Yarn 1": (
        "registry.example.com",
        'error An unexpected error occurred: "https://registry.example.com/x: getaddrinfo EAI_AGAIN registry.example.com".\n',
    ),
    "Yarn 4": ("packages.example.com", "➤ YN0001: │ RequestError: getaddrinfo ENOTFOUND packages.example.com\n"),
    "Yarn 4, no host": ("", "➤ YN0001: │ RequestError: connect ECONNREFUSED 10.0.0.1:443\n"),
    "pnpm": (
        "registry.example.com",
        " ERR_PNPM_META_FETCH_FAIL  GET https://registry.example.com/x: request to https://registry.example.com/x failed\n",
    ),
    "uv": (
        "pypi.example",
        """\
error: Request failed after 3 retries
  Caused by: Failed to fetch: `https://pypi.example/simple/flask/`
  Caused by: error sending request for url (https://pypi.example/simple/flask/)
  Caused by: dns error: failed to lookup address information
""",
    ),
}


@pytest.mark.parametrize("tool", OUTAGES)
def test_a_registry_that_does_not_answer_is_called_that(tmp_path, tool):
    host, printed = OUTAGES[tool]
    said = failed_fetching(tmp_path, printed)
    place = f" at {host}" if host else ""
    assert said.startswith(f" !     The package registry{place} could not be reached, or has trouble of its own")
    assert "no mistake of the app's" in said
    assert "secret" not in said


@pytest.mark.parametrize(
    "printed",
    [
        "ERROR: No matching distribution found for flask==99\n",
        "npm error code E404\nnpm error 404 Not Found - GET https://registry.example.com/no-such-package\n",
        "npm error code 1\nnpm error command sh -c node migrate.js\nnpm error Error: connect ECONNREFUSED 127.0.0.1:5432\n",
        " ERR_PNPM_OUTDATED_LOCKFILE  Cannot install with frozen-lockfile\n",
        "error Your lockfile needs to be updated, but yarn was run with `--frozen-lockfile`.\n",
        "HTTP status client error (404 Not Found) for url (https://pypi.example/simple/x/)\n",
        "",
    ],
)
def test_a_mistake_of_the_apps_is_not_taken_for_an_outage(tmp_path, printed):
    assert failed_fetching(tmp_path, printed) == " !     Wrong.\n !     Mend it.\n"


def test_an_outage_that_was_got_over_is_none(tmp_path):
    script = 'indented sh -c "cat $1; exit 1" || true; indented sh -c "exit 1" || fail_fetching Wrong.'
    (tmp_path / "printed").write_text(OUTAGES["uv"][1])
    assert bash(script, tmp_path / "printed", HOME=str(tmp_path)).stderr == " !     Wrong.\n"


def test_config_vars_are_exported_but_for_those_that_bend_the_build(tmp_path):
    bending = ("LD_PRELOAD", "SKYPANEL_HOME", "not-a-name", "BUILD_DIR")
    for name in (*bending, "PATH"):
        (tmp_path / name).write_text("/nowhere")
    (tmp_path / "GREETING").write_text("hello\nworld\n")
    done = bash('export_env_dir "$1"; env -0', tmp_path)
    seen = dict(entry.split("=", 1) for entry in done.stdout.split("\0") if entry)
    assert seen["GREETING"] == "hello\nworld\n"
    assert seen["PATH"] == os.environ["PATH"]
    assert not seen.keys() & set(bending)


def test_a_tree_is_restored_under_its_key_only(tmp_path):
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "file").write_text("kept")
    assert bash('cache_dir=$1/cache; cache_save tree one "$1/tree"', tmp_path).returncode == 0
    assert bash('cache_dir=$1/cache; cache_restore tree two "$1/back"', tmp_path).returncode == 1
    assert bash('cache_dir=$1/cache; cache_restore tree one "$1/back"; cat "$1/back/file"', tmp_path).stdout == "kept"


def test_what_does_not_fit_into_the_cache_is_not_kept_and_no_build_fails(tmp_path):
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "file").write_bytes(b"x" * 2_000_000)
    script = 'cache_dir=$1/cache; mkdir "$cache_dir"; ulimit -f 1000; trap "" XFSZ; cache_save tree one "$1/tree"; ls "$cache_dir"; echo on'
    done = bash(script, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "       Not kept for the next build: tree does not fit into the build cache.\non\n"


def test_a_tree_without_its_key_is_not_restored(tmp_path):
    (tmp_path / "tree").mkdir()
    assert bash('cache_dir=$1; cache_restore tree "" "$1/back"', tmp_path).returncode == 1


def test_a_changed_buildpack_has_another_version(tmp_path):
    (tmp_path / "lib").mkdir()
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "compile").write_text("one")
    before = bash('buildpack_version "$1/pack"', tmp_path).stdout
    (tmp_path / "pack" / "export").write_text("left by an earlier run")
    assert bash('buildpack_version "$1/pack"', tmp_path).stdout == before
    (tmp_path / "pack" / "compile").write_text("two")
    assert bash('buildpack_version "$1/pack"', tmp_path).stdout != before


@pytest.mark.parametrize(("variables", "workers"), [({"WEB_MEMORY": "100000000"}, "1"), ({"WEB_CONCURRENCY": "7"}, "7")])
def test_web_concurrency_is_at_least_one_and_yields_to_the_user(variables, workers):
    done = bash(f'source "{BUILDPACKS}/lib/web_concurrency.sh"; echo "$WEB_CONCURRENCY"', **variables)
    assert done.stdout.strip() == workers


@pytest.mark.parametrize(
    ("printed", "name"),
    [
        ("  File \"<frozen os>\", line 679, in __getitem__\nKeyError: 'DATABASE_URL'", "DATABASE_URL"),
        ("decouple.UndefinedValueError: SECRET_KEY not found. Declare it as envvar or define a default value.", "SECRET_KEY"),
        ("django.core.exceptions.ImproperlyConfigured: Set the SECRET_KEY environment variable", "SECRET_KEY"),
        ("django.core.exceptions.ImproperlyConfigured: The SECRET_KEY setting must not be empty.", "SECRET_KEY"),
        ('environs.exceptions.EnvError: Environment variable "S3_BUCKET" not set', "S3_BUCKET"),
        ("KeyError: 'THERE'", ""),
        ("KeyError: 'lower'", ""),
        ("KeyError: '$(touch x)'", ""),
        ("SystemError: broken settings", ""),
    ],
)
def test_a_variable_that_a_program_misses_is_named(tmp_path, printed, name):
    (tmp_path / "printed").write_text(f"Traceback\n{printed}\n")
    done = bash(f'source "{BUILDPACKS}/python/lib/app.sh"; missing_variable "$1"', tmp_path / "printed", THERE="yes")
    assert (done.returncode, done.stdout.strip()) == (0, name)

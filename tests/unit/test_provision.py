import ast
import subprocess
import sys
from dataclasses import replace

import pytest

from skypanel.domain import provision as plan
from skypanel.domain.errors import Conflict, Denied, Invalid
from skypanel.domain.provision import Survey, read_survey
from skypanel.flow.agent_bundle import bundle

FULL = Survey("yes", "Debian GNU/Linux 12 (bookworm)", True, True, "20.10.24", True, True, (3, 11), "inactive", "")  # noqa: FBT003 - a table row


def test_a_survey_reads_what_it_prints(tmp_path):
    """On whichever machine this is: the script is POSIX sh and fails nowhere."""
    done = subprocess.run(plan.survey_argv(), capture_output=True, text=True, check=True)
    survey = read_survey(done.stdout)
    assert survey.root in {"yes", "sudo", ""}
    assert survey.python >= plan.OLDEST_PYTHON
    assert survey.os != Survey.os


def test_what_a_machine_prints_beside_is_passed_over():
    printed = "Welcome!\nroot=yes\nos=\x1b[31mred\npython=x.y\nnonsense\n=\ndocker\n"
    assert read_survey(printed) == Survey("yes", r"\x1b[31mred")
    assert read_survey("") == Survey()


def test_what_is_missing_is_installed():
    assert plan.packages(FULL) == ()
    assert plan.packages(replace(FULL, docker=False, python=(3, 8), zstd=False)) == ("docker.io", "python3", "zstd")


def test_without_apt_it_is_said_what_is_missing():
    assert plan.packages(replace(FULL, apt=False)) == ()
    with pytest.raises(Invalid, match=r"no apt-get, so Docker and Python 3\.9 and zstd cannot"):
        plan.packages(replace(FULL, apt=False, docker=False, python=(), zstd=False))


def test_root_is_needed():
    plan.check_root(replace(FULL, root="sudo"), "ada")
    with pytest.raises(Denied, match="ada is not root"):
        plan.check_root(replace(FULL, root=""), "ada")
    assert replace(FULL, root="sudo").as_root(("id",)) == ("sudo", "-n", "id")
    assert FULL.as_root(("id",)) == ("id",)


def test_only_our_members_are_adopted():
    assert not plan.check_membership(FULL, frozenset({"m1"}))
    assert plan.check_membership(replace(FULL, swarm="active", member="m1"), frozenset({"m1"}))
    assert not plan.check_membership(replace(FULL, member="m9"), frozenset({"m1"}))
    with pytest.raises(Conflict):
        plan.check_membership(replace(FULL, swarm="active", member="m9"), frozenset({"m1"}))
    with pytest.raises(Conflict):
        plan.check_membership(replace(FULL, swarm="active"), frozenset({""}))


@pytest.mark.parametrize(
    "argv", [plan.install_argv(("a",)), plan.start_docker_argv(), plan.place_argv("/x", "0600"), plan.image_id_argv("i")]
)
def test_scripts_are_sh(argv):
    subprocess.run(["sh", "-n", "-c", argv[2]], check=True)


def test_a_file_is_placed_whole_and_with_its_mode(tmp_path):
    target = tmp_path / "folder" / "file"
    for content in (b"first", b"second"):
        subprocess.run(plan.place_argv(str(target), "0640"), input=content, check=True)
        assert target.read_bytes() == content
    assert target.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in target.parent.iterdir()] == ["file"]


def test_how_the_agent_is_kept_running():
    assert plan.start_agent_argv(FULL)[2].endswith("systemctl restart skypanel-agent.service")
    assert plan.start_agent_argv(replace(FULL, systemd=False)) == ("python3", plan.AGENT, "start", plan.CONFIG)
    for systemd in (True, False):
        assert f"rm -f {plan.CONFIG}" in plan.stop_agent_argv(replace(FULL, systemd=systemd))[2]


@pytest.fixture
def agent(tmp_path):
    """The agent as it is on a node."""
    subprocess.run(plan.unpack_argv(str(tmp_path / "agent")), input=bundle(), check=True)
    return tmp_path / "agent"


def annotations(tree):
    """Return all that Python evaluates of a file's annotations."""
    for node in ast.walk(tree):
        yield from filter(None, (getattr(node, "annotation", None), getattr(node, "returns", None)))


def test_the_agent_needs_nothing_but_an_old_python(agent):
    imported = set()
    for file in agent.rglob("*.py"):
        tree = ast.parse(file.read_text(), feature_version=plan.OLDEST_PYTHON)
        imported |= {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
        imported |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert not [ast.unparse(each) for each in annotations(tree) if " | " in ast.unparse(each)], file
    # What `listening` is to a script that runs in a dyno's container, the agent only puts there.
    assert {name.partition(".")[0] for name in imported} - sys.stdlib_module_names == {"skypanel", "workers", "listening"}


def test_the_agent_starts_without_the_panel_around_it(agent, tmp_path):
    done = subprocess.run([sys.executable, "-I", agent, "run", tmp_path / "none"], capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == 1
    assert "FileNotFoundError" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_agent_takes_the_place_of_the_one_before(agent):
    (agent / "left behind").touch()
    subprocess.run(plan.unpack_argv(str(agent)), input=bundle(), check=True)
    assert not (agent / "left behind").exists()

"""A build that takes too much is ended with a line that says so; its neighbours go on, and nothing of it is left."""

import re
import time
from dataclasses import dataclass

import pytest

from tests.journeys.harness import wait_for
from tests.journeys.leftovers import sandboxes

REPORTED_S = 60  # for the line's way to the pusher, and git's end


@dataclass(frozen=True)
class Hog:
    """A script that says when it begins to run over a limit, and how soon it is to be ended then."""

    script: str
    within_s: float
    words: str


HOGS = {
    "memory": Hog("echo over; exec python3 -c 'x = b\"x\" * (3 << 30)'", 20, "it used more than 2048 MiB of memory"),
    "disk": Hog(
        "fallocate -l 3900M junk; until ! head -c 32M /dev/zero >>junk; do :; done 2>&1; echo over; sleep 300",
        2,
        "it wrote more than 4096 MiB to disk",
    ),
    "cache": Hog(
        "fallocate -l 5700M /cache/junk; until ! head -c 32M /dev/zero >>/cache/junk; do :; done 2>&1; echo over; sleep 300",
        2,
        "it filled its cache of 6144 MiB; the next build begins with an empty one",
    ),
}


@pytest.fixture
def building(panel):
    """Have an app whose build runs a script of ours."""

    def make(script):
        repository = panel.repository("python-plain")
        repository.write("bin/pre_compile", script)
        repository.commit("A build of its own")
        return repository

    return make


@pytest.fixture
def held(panel):
    """Check that builds and dynos hold as much of the machine after a test as before; give what they hold now."""

    def look():
        return sorted(sandboxes(panel.home / "panel"))

    before = look()
    yield look
    wait_for("all to be given back", lambda: look() == before)


@pytest.mark.parametrize("limit", HOGS)
def test_a_build_over_its_limit_ends_at_once_and_a_neighbours_goes_through(panel, building, held, limit):
    hog = HOGS[limit]
    neighbour = building("head -c 200M /dev/zero >/tmp/mine && echo written")
    push = building(f"echo begin; {hog.script}").start_push(f"hog-{limit}")
    push.wait_for_line("begin")
    beside = neighbour.start_push(f"near-{limit}")
    push.wait_for_line("over")
    over = time.monotonic()
    assert push.wait() != 0
    assert time.monotonic() - over < hog.within_s + REPORTED_S
    assert f"The build was stopped: {hog.words}." in push.text
    assert "Push rejected, the build failed." in push.text
    assert beside.wait() == 0, beside.text
    assert "written" in beside.text
    panel.cli("destroy", f"near-{limit}", "--confirm", f"near-{limit}")


def test_a_slug_over_500_mib_is_refused_with_what_is_large(building, held):
    repository = building("mkdir -p data/models; head -c 530M /dev/urandom >data/models/large.bin")
    shown = repository.push("obese", check=False)
    assert "The slug is over 500.0M." in shown
    assert re.search(r"530\.\dM  data/models/large\.bin", shown), shown
    assert "list them in .slugignore" in shown


def test_what_a_build_leaves_running_goes_with_it(building, held):
    shown = building("setsid sleep 1000 >/dev/null 2>&1 & echo still here; exit 7").push("lingering", check=False)
    assert "still here" in shown
    assert "bin/pre_compile failed" in shown


def test_a_build_whose_pusher_hung_up_and_that_fails_leaves_nothing(building, held):
    push = building("echo begin; sleep 2; exit 7").start_push("left-alone")
    push.wait_for_line("begin")
    assert held()
    push.process.kill()
    push.wait()


FLOODS = {
    "lines": f"yes {'x' * 1023} | head -c 1G",
    "one-line": "head -c 1G /dev/zero | tr '\\0' x",
}


@pytest.mark.parametrize("flood", FLOODS)
def test_a_build_that_prints_a_gigabyte_goes_through_and_its_output_is_cut_off(panel, building, held, flood):
    repository = building(f"{FLOODS[flood]}; echo; echo printed")
    shown = repository.push(f"flood-{flood}")
    assert shown.count("Output is truncated here, because it is too long") == 1
    assert len(shown) < 12 * 1024**2
    assert "printed" in shown
    assert "Verifying deploy... done." in shown
    assert panel.answers(f"flood-{flood}")
    panel.cli("destroy", f"flood-{flood}", "--confirm", f"flood-{flood}")


def with_files(repository, folders, count):
    """Return a commit of the repository's own files and of `count` more in each of some folders."""
    blob = repository.git("rev-parse", "HEAD:Procfile").stdout.strip()
    folder = repository.git("mktree", stdin="".join(f"100644 blob {blob}\t{number}\n" for number in range(count))).stdout.strip()
    many = repository.git("mktree", stdin="".join(f"040000 tree {folder}\t{number}\n" for number in range(folders))).stdout.strip()
    own = repository.git("ls-tree", "HEAD").stdout
    tree = repository.git("mktree", stdin=f"{own}040000 tree {many}\tmany\n").stdout.strip()
    return repository.git("commit-tree", tree, "-m", "Many files").stdout.strip()


def test_a_repository_of_a_hundred_thousand_files_goes_live(panel, building, held):
    repository = building("find many -type f | wc -l")
    shown = repository.push("many-files", f"{with_files(repository, 100, 1000)}:refs/heads/main")
    assert re.search(r"^remote: +100000 *$", shown, re.MULTILINE), shown
    assert panel.answers("many-files")
    panel.cli("destroy", "many-files", "--confirm", "many-files")


def test_a_repository_of_too_many_files_is_refused(building, held):
    repository = building("true")
    shown = repository.push("too-many", f"{with_files(repository, 151, 1000)}:refs/heads/main", check=False)
    assert "150000" in shown.replace(",", "")
    assert "pre-receive hook declined" in shown

"""Pushes to a branch that is stored and not built, against C git over sshd."""

import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from time import perf_counter

from tests.bench.figures import Figure, compared, in_pairs, percentile
from tests.bench.repositories import make_large, make_small
from tests.bench.sshd import PEER
from tests.bench.stage import Stage

FULL_PAIRS = 9
SMALL_PAIRS = 21
AT_ONCE = 100
ROUNDS = 3
PUSH_TIMEOUT_S = 120

Remote = Callable[[Stage, str], str]


def over_ssh(stage: Stage, app: str) -> str:
    return stage.panel.remote(app)


def over_http(stage: Stage, app: str) -> str:
    token = (stage.panel.home / "panel" / "token").read_text().strip()
    return f"http://git:{token}@skypanel.localhost:{stage.panel.ports[1]}/{app}.git"


def full(stage: Stage, remote: Remote = over_ssh, name: str = "push.full") -> list[Figure]:
    """Push all of a repository of 30 MB into a new one."""
    source = make_large(stage.scratch / f"{name}.git")

    def ours(number: int) -> float:
        return push(stage, source, remote(stage, f"{name.replace('.', '-')}-{number}"))

    def theirs(number: int) -> float:
        url = stage.sshd.repository(f"{name}-{number}")
        elapsed = push(stage, source, url)
        stage.sshd.remove(f"{name}-{number}")
        return elapsed

    return [compared(name, *in_pairs(ours, theirs, FULL_PAIRS), PEER)]


def small(stage: Stage, remote: Remote = over_ssh, name: str = "push.small") -> list[Figure]:
    """Push one commit more."""
    source = make_small(stage.scratch / f"{name}.git", SMALL_PAIRS + 1)
    urls = remote(stage, name.replace(".", "-")), stage.sshd.repository(name)
    for url in urls:
        push(stage, source, url, "at-0")
    ours, theirs = (partial(_push_next, stage, source, url) for url in urls)
    return [compared(name, *in_pairs(ours, theirs, SMALL_PAIRS), PEER)]


def _push_next(stage: Stage, source: Path, url: str, number: int) -> float:
    return push(stage, source, url, f"at-{number + 1}")


def concurrent(stage: Stage) -> list[Figure]:
    """Push one commit into each of 100 repositories at once."""
    names = [f"push-{number}" for number in range(AT_ONCE)]
    source = make_small(stage.scratch / "push.concurrent.git", ROUNDS + 1)
    sides = [over_ssh(stage, name) for name in names], [stage.sshd.repository(name) for name in names]
    for urls in sides:
        _all(stage, source, urls, "at-0", at_once=4)
    failed = 0
    elapsed_s: tuple[list[float], list[float]] = ([], [])
    p95_s: tuple[list[float], list[float]] = ([], [])
    for number in range(ROUNDS):
        for side in (0, 1) if number % 2 else (1, 0):
            began = perf_counter()
            times = _all(stage, source, sides[side], f"at-{number + 1}", AT_ONCE)
            elapsed_s[side].append(perf_counter() - began)
            done = [time for time in times if time is not None]
            failed += 0 if side else len(times) - len(done)
            p95_s[side].append(percentile(done, 0.95))
    rates = [[AT_ONCE / elapsed for elapsed in side] for side in elapsed_s]
    return [
        Figure("push.concurrent.failed", failed, "pushes"),
        compared("push.concurrent.rate", rates[0], rates[1], PEER, "pushes/s"),
        compared("push.concurrent.p95", p95_s[0], p95_s[1], PEER),
    ]


def http(stage: Stage) -> list[Figure]:
    """Push by HTTP; the peer still speaks SSH."""
    return [*full(stage, over_http, "push.http.full"), *small(stage, over_http, "push.http.small")]


def push(stage: Stage, source: Path, url: str, branch: str = "main") -> float:
    """Push to a branch that no app is built from, and return how long it took."""
    began = perf_counter()
    done = subprocess.run(
        ["git", "-C", source, "push", "-q", url, f"{branch}:refs/heads/stored"],
        env=stage.panel.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=PUSH_TIMEOUT_S,
    )
    elapsed = perf_counter() - began
    if done.returncode:
        raise PushFailed(done.stderr)
    return elapsed


class PushFailed(Exception):
    """git says no."""


def _all(stage: Stage, source: Path, urls: Sequence[str], branch: str, at_once: int) -> list[float | None]:
    """Push to all, some at once; return the time of each, None where it failed."""

    def one(url: str) -> float | None:
        try:
            return push(stage, source, url, branch)
        except (PushFailed, subprocess.TimeoutExpired):
            return None

    with ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(one, urls))

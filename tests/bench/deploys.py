"""A push to a serving app until its new release serves, by its phases; and the other ways to a new release."""

import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter, sleep

from tests.bench.figures import Figure, compared, single
from tests.bench.load import Load
from tests.bench.stage import Stage
from tests.journeys.harness import Repository

DEPLOYS = 9
CHANGES = 5
ROW, COMPARED = 100, 10
LOADED_DEPLOYS = 10
REQUESTS_PER_S = 50
POLL_S = 0.02
DEADLINE_S = 60
# The line that ends a phase; the one that the app's own answer ends stands between the last of them and the push's end.
PHASES = (
    ("receive", "-----> Building on the"),
    ("detect", "app detected"),
    ("compile", "-----> Discovering process types"),
    ("archive", "       Done: "),
    ("stage", "-----> Launching..."),
)
LAUNCH, VERIFY = "launch", "verify"
VARIABLE = "GREETING"


@dataclass(frozen=True)
class FlaskApp:
    """The sample app in a repository, pushed once, so that its cache is warm; `says` is what it answers."""

    repository: Repository
    name: str
    stage: Stage

    def change(self, number: int) -> str:
        """Commit a change of one line, and return what the app is to answer then."""
        path = self.repository.folder / "app.py"
        lines = path.read_text().splitlines(keepends=True)
        answer = next(index for index, line in enumerate(lines) if "return" in line)
        lines[answer] = f'    return f"number {number}, {{os.environ.get({VARIABLE!r})}}\\n"\n'
        path.write_text("".join(lines))
        self.repository.commit(f"Say {number}")
        return f"number {number}, "

    def push(self) -> list[tuple[float, str]]:
        """Push, and return each line with the time it came at; the last one is the end's."""
        pushing = subprocess.Popen(
            ["git", "push", self.stage.panel.remote(self.name), "HEAD:refs/heads/main"],
            cwd=self.repository.folder,
            env=self.stage.panel.environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        with pushing:
            lines = [(perf_counter(), line.removeprefix("remote: ").rstrip()) for line in pushing.stdout]
        assert pushing.returncode == 0, "\n".join(line for _, line in lines)
        return [*lines, (perf_counter(), "")]

    def command(self, *arguments: str) -> None:
        done = self.stage.panel.cli(*arguments, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    @contextmanager
    def first_answer(self, words: str) -> Iterator[Callable[[], float]]:
        """Ask the app all the time; yield what waits for the first answer with `words` in it and returns its time."""
        given_up = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            asking = pool.submit(self._ask, words, given_up)
            try:
                yield lambda: asking.result(DEADLINE_S)
            finally:
                given_up.set()

    def _ask(self, words: str, given_up: threading.Event) -> float:
        while words not in self.stage.panel.get(self.name).body:
            if given_up.wait(POLL_S):
                raise TimeoutError(words)
        return perf_counter()


@contextmanager
def flask_app(stage: Stage, name: str) -> Iterator[FlaskApp]:
    """Make the sample app and push it for the first time; it makes room for the next at the end of the block."""
    repository = stage.panel.repository("python-flask")
    repository.edit("app.py", "import flask\n", "import os\n\nimport flask\n")
    app = FlaskApp(repository, name, stage)
    app.change(0)
    app.push()
    yield app
    app.command("destroy", name, "--confirm", name)


def phases(stage: Stage) -> list[Figure]:
    """Push changes of one line, and split each push where a line or the app's answer says that a phase has ended."""
    with flask_app(stage, "deploy-phases") as app:
        runs = [_run(app, number + 1) for number in range(DEPLOYS)]
    names = [name for name, _ in PHASES] + [LAUNCH, VERIFY]
    rows = [single(f"deploy.phases.{name}", [run[name] for run in runs]) for name in names]
    return [single("deploy.total", [sum(run.values()) for run in runs]), *rows]


def row(stage: Stage) -> list[Figure]:
    """Push a hundred changes one after the other: the last ten are staged as soon as the first ten."""
    with flask_app(stage, "deploy-row") as app:
        stagings = [_run(app, number + 1)["stage"] for number in range(ROW)]
    return [compared("deploy.row.stage", stagings[-COMPARED:], stagings[:COMPARED], "the first ten")]


def _run(app: FlaskApp, number: int) -> dict[str, float]:
    words = app.change(number)
    with app.first_answer(words) as answered:
        began = perf_counter()
        lines = app.push()
        return split(began, lines, answered())


def split(began: float, lines: Sequence[tuple[float, str]], answered: float) -> dict[str, float]:
    """Return how long each phase took: those that lines end, then until the app answered, then until the push ended."""
    rest = iter(lines)
    ends = [(name, next(time for time, line in rest if mark in line)) for name, mark in PHASES]
    last = max(lines[-1][0], answered)
    ends += [(LAUNCH, answered), (VERIFY, last)]
    starts = [began, *(time for _, time in ends)]
    return {name: end - start for (name, end), start in zip(ends, starts[:-1], strict=True)}


def rollback(stage: Stage, engine: str = "embedded") -> list[Figure]:
    """Go from one of two releases to the other, by the command, until that one answers."""
    with flask_app(stage, "deploy-rollback") as app:
        app.change(1)
        app.push()
        times = [_until_answered(app, f"number {number % 2}, ", "rollback", app.name) for number in range(CHANGES)]
    return [single(f"rollback.{engine}", times)]


def config(stage: Stage, engine: str = "embedded") -> list[Figure]:
    """Set a config var, by the command, until the app answers with it."""
    times = []
    with flask_app(stage, "deploy-config") as app:
        for number in range(CHANGES):
            value = f"value-{number}"
            times.append(_until_answered(app, value, "config", app.name, "--set", f"{VARIABLE}={value}"))
    return [single(f"config.{engine}", times)]


def scale(stage: Stage, engine: str = "embedded") -> list[Figure]:
    """Go from one web dyno to four, by the command, which returns once all of them serve, on nodes where nothing ends just then."""
    times = []
    with flask_app(stage, "deploy-scale") as app:
        for _ in range(CHANGES):
            began = perf_counter()
            app.command("scale", app.name, "web=4")
            times.append(perf_counter() - began)
            app.command("scale", app.name, "web=1")
            while "stopping" in stage.panel.cli("ps", app.name).stdout:
                sleep(POLL_S)
    return [single(f"scale.{engine}", times)]


def _until_answered(app: FlaskApp, words: str, *arguments: str) -> float:
    with app.first_answer(words) as answered:
        began = perf_counter()
        app.command(*arguments)
        return answered() - began


def failed_requests(stage: Stage, of: str = "") -> list[Figure]:
    """Deploy ten times while requests come at a constant rate, and count those that fail."""
    with flask_app(stage, "deploy-loaded") as app, Load(stage.panel.ports[1], f"{app.name}.localhost", REQUESTS_PER_S) as load:
        for number in range(LOADED_DEPLOYS):
            app.change(number + 1)
            app.push()
    for failure, times in load.failures.most_common():
        print(f"deploy.failed_requests{of}: {times} times {failure}")  # noqa: T201 - for whoever looks for the reason
    return [
        Figure(f"deploy.failed_requests{of}", load.failures.total(), "requests"),
        Figure(f"deploy.requests{of}", load.sent, "requests"),
    ]

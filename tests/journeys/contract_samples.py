"""The sample apps start by what they or their buildpacks say, on whichever engine, as do those that ask for another Python or Node.js.

A subclass's module has a fixture `front`, a running panel, and the fixture `mirror` of here.
"""

import json

import pytest

from tests.support.runtime_mirror import NODE, runtime_mirror, serving

SAMPLES = [
    ("python-flask", "/", "Python", "Hello from Flask\n"),
    ("python-plain", "/", "Python", "Hello from SkyPanel\n"),
    ("node-express", "/", "Node.js", "Hello from express\n"),
    ("static-site", "/", "Static", "<h1>Hello from a static site</h1>"),
    ("procfile-only", "/hello.txt", "Procfile", "Hello from a Procfile\n"),
]
PYTHONS = {
    "python-plain": "Hello from SkyPanel\n",
    "python-flask": "Hello from Flask\n",
    "python-uv": "Hello from uv\n",
    "python-poetry": "Hello from poetry\n",
    "python-pipenv": "Hello from pipenv\n",
}
# A sample, what else stands in its package.json, its .yarnrc.yml, and its page. None has a Procfile.
NODES = {
    "plain": ("node-plain", {"scripts": {}}, "", "Hello from Node\n"),
    "npm": ("node-express", {}, "", "Hello from express\n"),
    "yarn": ("node-yarn", {}, "", "Hello from yarn, 60000 ms a minute\n"),
    "pnp": ("node-yarn", {"packageManager": "yarn@4.9.1"}, "nodeLinker: pnp\n", "Hello from yarn, 60000 ms a minute\n"),
    "pnpm": ("node-pnpm", {}, "", "Hello from pnpm, 60000 ms a minute\n"),
}


@pytest.fixture(scope="module")
def mirror(front):
    """A mirror that the panel is told to use."""
    made = runtime_mirror()
    with serving(made) as served:
        front.cli("settings", "set", f"runtime_mirror={served.url}")
        yield made
        front.cli("settings", "set", "runtime_mirror=")


class SamplesContract:
    @pytest.fixture
    def push(self, front):
        """Push to apps that are gone after the test: a small machine has room for a few dynos."""
        pushed = []

        def push(repository, name):
            shown = repository.push(name)
            pushed.append(name)
            return shown

        yield push
        for name in pushed:
            front.cli("destroy", name, "--confirm", name)

    @pytest.mark.parametrize(("fixture", "path", "label", "answer"), SAMPLES)
    def test_a_sample_app_goes_live(self, front, push, fixture, path, label, answer):  # noqa: PLR0917 - fixtures, and a row of the table
        name = f"sample-{fixture}"
        assert f"-----> {label} app detected" in push(front.repository(fixture), name)
        self.serves(front, name, answer, path)

    @pytest.mark.parametrize("fixture", PYTHONS)
    def test_a_python_app_that_is_pinned_to_another_version(self, front, push, mirror, fixture):
        wanted = mirror.pythons[0]
        repository = front.repository(fixture)
        repository.write(".python-version", f"{wanted}\n")
        repository.write("bin/post_compile", "#!/bin/sh\npython --version\n")
        repository.commit("Pinned")
        shown = push(repository, f"pinned-{fixture}")
        assert f"Using Python {wanted}: .python-version asks for {wanted} (which the stack lacks)" in shown
        assert f"       Python {wanted} " in shown
        self.serves(front, f"pinned-{fixture}", PYTHONS[fixture])

    @pytest.mark.parametrize("kind", NODES)
    def test_a_node_app_that_is_pinned_to_another_version(self, front, push, mirror, kind):
        fixture, fields, yarn, answer = NODES[kind]
        repository = front.repository(fixture)
        package = {**json.loads((repository.folder / "package.json").read_text()), **fields, "engines": {"node": NODE}}
        package["scripts"] = {**package["scripts"], "heroku-cleanup": "node --version"}
        repository.write("package.json", json.dumps(package))
        if yarn:
            repository.write(".yarnrc.yml", yarn)
            (repository.folder / "yarn.lock").unlink()
        repository.commit("Pinned")
        shown = push(repository, f"pinned-node-{kind}")
        assert f"Using Node.js {NODE}: package.json asks for {NODE}" in shown
        assert f"       v{NODE} " in shown
        assert "Default types for nodejs -> web" in shown
        self.serves(front, f"pinned-node-{kind}", answer)

    def serves(self, front, name, answer, path="/"):
        found = front.get(name, path)
        assert found.status == 200
        assert answer in found.body

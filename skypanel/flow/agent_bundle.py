"""The agent as it is copied to a node: a folder that Python can run, with the modules that the agent shares with the panel."""

import io
import tarfile
from importlib.resources import files

SHARED = (
    "__init__.py",
    "host/__init__.py",
    *(f"host/dyno/{name}" for name in ("__init__.py", "dyno.sh", "elsewhere.py", "enter.py", "health.sh")),
    "host/layers.py",
    "host/listening.py",
    "host/usage.py",
)


def bundle() -> bytes:
    """Return the folder as a tar; the same code gives the same bytes."""
    agent = {entry.name: entry.read_bytes() for entry in files("workers").joinpath("agent").iterdir() if entry.name.endswith(".py")}
    contents = {"__main__.py": agent["__main__.py"], "workers/__init__.py": files("workers").joinpath("__init__.py").read_bytes()}
    contents |= {f"workers/agent/{name}": agent[name] for name in sorted(agent)}
    contents |= {f"skypanel/{name}": files("skypanel").joinpath(name).read_bytes() for name in SHARED}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, body in contents.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(body), 0o644
            archive.addfile(entry, io.BytesIO(body))
    return packed.getvalue()

"""Check static.json and write what the server reads: `configure.py BUILD_DIR TARGET`. Prints the root."""  # noqa: INP001 - a script, run by path

import json
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

FOLDERS = (".", "public", "dist")
KNOWN = {"root": str, "error_page": str, "clean_urls": bool, "routes": dict}
EVERYTHING_ELSE = "/**"


def fail(*lines: str) -> NoReturn:
    """Say what is wrong and what to do, and end."""
    sys.exit("\n".join(f" !     {line}" for line in lines))


def wanted(path: Path) -> dict[str, Any]:
    """Return static.json's settings; what we do not know is named and passed over."""
    if not path.is_file():
        return {}
    try:
        settings = json.loads(path.read_text())
    except ValueError as error:
        fail(f"static.json is not valid JSON: {error}", "Correct it, commit and push again.")
    if not isinstance(settings, dict):
        fail("static.json holds no object.", 'Write it like this: {"root": "dist"}')
    for name, value in settings.items():
        if name not in KNOWN:
            sys.stderr.write(f" !     static.json: {name} is not supported and is passed over.\n")
        elif not isinstance(value, KNOWN[name]):
            fail(f"static.json: {name} has the wrong type.", f"Make it a {KNOWN[name].__name__}.")
    return settings


def root_of(app: Path, settings: dict[str, Any]) -> str:
    """Return the folder to serve, from /app."""
    root = settings.get("root") or next((folder for folder in FOLDERS if (app / folder / "index.html").is_file()), ".")
    folder = (app / root).resolve()
    if not folder.is_relative_to(app.resolve()):
        fail(f"static.json: root is {root}, which is outside of the app.", "Name a folder in it.")
    if not folder.is_dir():
        fail(f"static.json: root is {root}, and there is no such folder.", "Commit the folder, or name another.")
    return str(folder.relative_to(app.resolve()))


def fallback_of(settings: dict[str, Any]) -> str | None:
    """Return the page that answers every path without a file, as single-page apps want it."""
    routes = settings.get("routes", {})
    for pattern in routes:
        if pattern != EVERYTHING_ELSE:
            sys.stderr.write(f" !     static.json: the route {pattern} is passed over; only {EVERYTHING_ELSE} is supported.\n")
    fallback = routes.get(EVERYTHING_ELSE)
    return None if fallback is None else str(fallback)


def main(app: Path, target: Path) -> None:
    """Write the server's settings."""
    settings = wanted(app / "static.json")
    root = root_of(app, settings)
    site = {
        "root": root,
        "error_page": settings.get("error_page", "404.html"),
        "clean_urls": settings.get("clean_urls", False),
        "fallback": fallback_of(settings),
        "built_at": int(time.time()),
    }
    target.write_text(json.dumps(site))
    sys.stdout.write(f"{root}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

"""Detection of the bundled buildpack for an app, and the errors if there is none or it would not be enough."""

from collections.abc import Awaitable, Callable, Sequence

from skypanel.domain import base, language, transcript
from skypanel.domain.app import App
from skypanel.domain.buildpack import BUILDPACK_URL, BUNDLED, Buildpack
from skypanel.domain.errors import Invalid
from skypanel.flow import scripts
from skypanel.ports.output import WriteLine

# Runs a script in the workspace, and returns its output.
Ask = Callable[..., Awaitable[str]]


async def detect(app: App, ask: Ask, write: WriteLine) -> Buildpack:
    """Return the first bundled buildpack that fits. Raises Invalid, with what to do, if none fits or it would not be enough."""
    printed = await ask(scripts.DETECT, " ".join(BUNDLED), *language.FILES)
    name, label, *found = [*printed.splitlines(), "", ""] if printed else ["", ""]
    foreign = language.foreign(name or None, found)
    if foreign and foreign.is_whole:
        raise Invalid(
            f"This is a {foreign.language} app (it has {foreign.file}), and SkyPanel has no buildpack for {foreign.language}.",
            f"Set one by its URL: skypanel config {app.name} --set {BUILDPACK_URL}=https://... If the app needs no build"
            f" or uses another language, set one of {', '.join(BUNDLED)}.",
        )
    if not name:
        raise _nothing_fits(app, await _fitting_folders(ask))
    await write(transcript.heading(f"{label or name} app detected"))
    if foreign:
        await write(transcript.failure(f"There is {foreign.file} too, but SkyPanel has no buildpack for {foreign.language}:"))
        await write(transcript.failure(f"this is built only as a {label or name} app."))
    return Buildpack(name)


async def _fitting_folders(ask: Ask) -> Sequence[base.DetectedFolder]:
    """Return the outermost folders that a bundled buildpack fits."""
    listing = await ask(scripts.FOLDERS, " ".join(BUNDLED))
    return base.outermost(base.DetectedFolder(*entry.split("\t")) for entry in listing.split("\0") if entry.count("\t") == 1)


def _nothing_fits(app: App, folders: Sequence[base.DetectedFolder]) -> Invalid:
    if folders:
        listed = base.listed(folders)
        return Invalid(
            f"No buildpack fits the root of this repository, but {listed}.",
            f"Set the folder of the app, then push again: skypanel config {app.name} --set {base.APP_BASE}={folders[0].argument}",
        )
    return Invalid(
        "No buildpack fits this app.",
        "Add a requirements.txt, package.json, index.html or Procfile at the root of the repository, or set BUILDPACK_URL."
        f" For an app in one of its folders set {base.APP_BASE} to that.",
    )

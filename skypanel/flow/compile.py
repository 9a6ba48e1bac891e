"""The slug compiler: fetch, detect, compile, discover process types, archive.

Follows Heroku's buildpack API (https://devcenter.heroku.com/articles/buildpack-api). BUILD_DIR is /app, so that absolute paths in a slug
stay valid where it runs.
"""

import io
import tarfile
from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from uuid import uuid4

import yaml

from skypanel.domain import base, buildpack, procfile, transcript
from skypanel.domain.app import App
from skypanel.domain.build import Build
from skypanel.domain.buildpack import BUILDPACK_URL, Buildpack
from skypanel.domain.errors import Invalid, SkyPanelError, Unavailable
from skypanel.domain.ids import SlugId
from skypanel.domain.indexes import NPMRC, Indexes
from skypanel.domain.limits import BUILD_LIMITS, MAX_SLUG_BYTES
from skypanel.domain.manifest import Exit
from skypanel.domain.push import shown
from skypanel.domain.slug import STACK, Slug
from skypanel.domain.storage import ObjectKind
from skypanel.flow import cache, detection, runtimes, scripts
from skypanel.ports.builder import Step, StepFailed, Workspace
from skypanel.ports.output import WriteLine
from skypanel.ports.panel import Panel

MAX_SMALL_OUTPUT = 256 * 1024
CA_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
OWN_INDEXES = Indexes()
CA_VARIABLES = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO")


@dataclass(frozen=True)
class _Compiler:
    """One build: its workspace, its output, and the environment of its steps."""

    panel: Panel
    app: App
    build: Build
    workspace: Workspace
    write: WriteLine
    environment: Mapping[str, str] = field(repr=False)

    def step(self, *argv: str, network: bool = False, **environment: str) -> Step:
        return Step(argv, {**self.environment, **environment}, network=network)

    async def must(self, error: SkyPanelError, step: Step, stdin: AsyncIterable[bytes] | None = None) -> None:
        """Run a step. Raises `error` if it fails, or the reason if the sandbox ended it."""
        exit_ = await self.workspace.run(step, self.write, stdin)
        if not exit_.ok:
            raise _ended(exit_) or error

    async def text(self, step: Step) -> str:
        """Return a step's output, cut off at MAX_SMALL_OUTPUT bytes. Raises StepFailed, or the reason if the sandbox ended it."""
        chunks: list[bytes] = []
        size = 0
        try:
            async for chunk in self.workspace.read(step):
                if size < MAX_SMALL_OUTPUT:
                    chunks.append(chunk)
                size += len(chunk)
        except StepFailed as error:
            if ended := _ended(error.exit):
                raise ended from None
            raise
        return b"".join(chunks)[:MAX_SMALL_OUTPUT].decode(errors="replace")


async def compile_slug(
    panel: Panel,
    app: App,
    build: Build,
    config_vars: Mapping[str, str],
    write: WriteLine,
    *,
    indexes: Indexes = OWN_INDEXES,
    runtime_mirror: str = "",
) -> Slug:
    """Build a slug from a build's source and store it. Output goes to `write`, without the logins of package indexes.

    Raises Invalid if the source cannot be built, with what to do; Unavailable if the panel cannot build.
    """
    async with panel.builder.workspace(app, BUILD_LIMITS) as workspace:
        compiler = _Compiler(panel, app, build, workspace, _hiding(indexes, write), {**_environment(build), **indexes.environment()})
        await _fetch(compiler, config_vars)
        await _log_in(compiler, indexes)
        await _check_procfile(compiler)
        buildpacks = await _choose(compiler, config_vars.get(BUILDPACK_URL))
        defaults: dict[str, str] = {}
        for position, pack in enumerate(buildpacks, start=1):
            if pack.url is None:
                await runtimes.provide(compiler, pack.name, pack.directory(position), runtime_mirror)
            defaults |= await _run_buildpack(compiler, pack, position)
        await cache.bound(compiler)
        process_types = await _discover_process_types(compiler, buildpacks, defaults)
        return await _archive(compiler, buildpacks, process_types)


def _environment(build: Build) -> dict[str, str]:
    return {
        "HOME": "/app",
        "LANG": "C.UTF-8",
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "REQUEST_ID": str(uuid4()),
        "SOURCE_VERSION": build.source.commit or build.source.digest,
        "STACK": STACK,
        **dict.fromkeys(CA_VARIABLES, CA_BUNDLE),
    }


async def _fetch(compiler: _Compiler, config_vars: Mapping[str, str]) -> None:
    broken = Invalid("The source could not be unpacked.", "Push again.")
    source = compiler.panel.objects.read(ObjectKind.SOURCES, compiler.build.source.digest)
    await compiler.must(broken, compiler.step("bash", "-c", scripts.UNPACK), source)
    if config_vars:
        await compiler.must(broken, compiler.step("tar", "-x", "-C", "/env"), _once(_tar_of_files(config_vars)))
    await _enter(compiler, config_vars.get(base.APP_BASE, ""))
    try:
        removed = (await compiler.text(compiler.step("bash", "-c", scripts.SLUGIGNORE))).strip()
    except StepFailed:
        raise Invalid("The .slugignore file could not be read.", "Write one gitignore pattern per line.") from None
    if removed:
        await compiler.write(transcript.heading(f"Deleting {removed} files matching .slugignore patterns."))


def _hiding(indexes: Indexes, write: WriteLine) -> WriteLine:
    async def hide(line: str) -> None:
        await write(indexes.hide(line))

    return hide


async def _log_in(compiler: _Compiler, indexes: Indexes) -> None:
    """Write npm's login to a file, which is the only place where npm reads it."""
    if npmrc := indexes.npmrc():
        broken = Unavailable("The credentials of the npm registry could not be written.", "Push again.")
        folder, _, name = NPMRC.rpartition("/")
        await compiler.must(broken, compiler.step("tar", "-x", "-C", folder), _once(_tar_of_files({name: npmrc})))


async def _enter(compiler: _Compiler, wanted: str) -> None:
    """Replace /app with the app's folder in a larger repository."""
    folder = base.parse(wanted)
    if folder is None:
        return
    missing = Invalid(
        f"{base.APP_BASE} is {shown(folder)}, and there is no such folder in the repository.",
        f"Set it to a folder of the repository: skypanel config {compiler.app.name} --set {base.APP_BASE}=... For an app at"
        f" the top: --unset {base.APP_BASE}",
    )
    await compiler.must(missing, compiler.step("bash", "-c", scripts.BASE, "base", folder))
    await compiler.write(transcript.heading(f"Building the folder {shown(folder)}, set by {base.APP_BASE}"))


async def _check_procfile(compiler: _Compiler) -> None:
    """Reject a bad Procfile before minutes of compiling."""
    await _procfile(compiler)


async def _choose(compiler: _Compiler, wanted: str | None) -> Sequence[Buildpack]:
    if wanted:
        return await _clone_all(compiler, buildpack.parse_list(wanted))
    if compiler.app.buildpacks:
        await compiler.write(transcript.heading(f"Using {', '.join(compiler.app.buildpacks)}"))
        return await _clone_all(compiler, tuple(map(buildpack.named, compiler.app.buildpacks)))
    listed = await _file(compiler, ".buildpacks")
    if listed is not None:
        return await _clone_all(compiler, buildpack.parse_list(listed))
    return (await detection.detect(compiler.app, partial(_print_of, compiler), compiler.write),)


async def _print_of(compiler: _Compiler, script: str, *arguments: str) -> str:
    return await compiler.text(compiler.step("bash", "-c", script, "script", *arguments))


async def _clone_all(compiler: _Compiler, buildpacks: Sequence[Buildpack]) -> Sequence[Buildpack]:
    if not buildpacks:
        raise Invalid("The list of buildpacks is empty.", f"Name one of {', '.join(buildpack.BUNDLED)}, or a git URL.")
    for position, pack in enumerate(buildpacks, start=1):
        if pack.url is not None:
            await _clone(compiler, pack, pack.url, pack.directory(position))
    return buildpacks


async def _clone(compiler: _Compiler, pack: Buildpack, url: str, directory: str) -> None:
    await compiler.write(transcript.heading(f"Fetching buildpack {url}"))
    missing = Invalid(
        f"The buildpack {url} could not be fetched.", "Check its URL, and the branch, tag or commit (with all of its digits) after the #."
    )
    # in the environment, because every user of the machine can read argument lists
    login = {"BUILDPACK_USER": pack.login.user, "BUILDPACK_PASSWORD": pack.login.password} if pack.login else {}
    await compiler.must(
        missing, compiler.step("bash", "-c", scripts.FETCH, "clone", url, pack.ref or "HEAD", directory, network=True, **login)
    )


async def _run_buildpack(compiler: _Compiler, pack: Buildpack, position: int) -> dict[str, str]:
    """Run a buildpack and return its default process types; run its bin/detect first if it came from a URL."""
    directory = pack.directory(position)
    if pack.url is not None:
        await _detect_named(compiler, pack, directory)
    failed = Invalid(f"The {pack.name} buildpack failed.", "See the output above, fix the problem and push again.")
    await compiler.must(failed, _in_buildpack(compiler, directory, "bin/compile", "/app", "/cache", "/env", network=True))
    return await _default_process_types(compiler, directory, position)


async def _detect_named(compiler: _Compiler, pack: Buildpack, directory: str) -> None:
    try:
        label = (await compiler.text(_in_buildpack(compiler, directory, "bin/detect", "/app"))).strip()
    except StepFailed:
        raise Invalid(f"The buildpack {pack.name} does not fit this app.", "Check BUILDPACK_URL, or unset it to detect one.") from None
    await compiler.write(transcript.heading(f"{label.splitlines()[0] if label else pack.name} app detected"))


async def _default_process_types(compiler: _Compiler, directory: str, position: int) -> dict[str, str]:
    """Return the default process types that `bin/release` declares."""
    try:
        printed = await compiler.text(_in_buildpack(compiler, directory, "bash", "-c", scripts.RELEASE, "release", f"{position:03}"))
        return buildpack.default_process_types(yaml.safe_load(printed))
    except StepFailed:
        raise Invalid("The buildpack's bin/release failed.", "Use another version of the buildpack.") from None
    except yaml.YAMLError:
        raise Invalid("The buildpack's bin/release did not print YAML.", "Use another version of the buildpack.") from None


def _in_buildpack(compiler: _Compiler, directory: str, program: str, *arguments: str, network: bool = False) -> Step:
    return compiler.step("bash", "-c", scripts.RUN, "buildpack", directory, program, *arguments, network=network)


async def _discover_process_types(compiler: _Compiler, buildpacks: Sequence[Buildpack], defaults: Mapping[str, str]) -> dict[str, str]:
    declared = await _procfile(compiler)
    await compiler.write(transcript.heading("Discovering process types"))
    await compiler.write(transcript.detail(f"Procfile declares types -> {', '.join(declared) or '(none)'}"))
    extra = [process_type for process_type in defaults if process_type not in declared]
    if extra:
        names = ", ".join(pack.name for pack in buildpacks)
        await compiler.write(transcript.detail(f"Default types for {names} -> {', '.join(extra)}"))
    process_types = procfile.checked({**defaults, **declared})
    if not process_types:
        await compiler.write(transcript.failure("There is no Procfile, so nothing will run."))
        await compiler.write(transcript.failure("Add a Procfile with a line such as web: python app.py and push again."))
    return process_types


async def _procfile(compiler: _Compiler) -> dict[str, str]:
    return procfile.parse(await _file(compiler, "Procfile") or "")


async def _file(compiler: _Compiler, name: str) -> str | None:
    """Return a small file of the app, or None if it is missing."""
    try:
        return await compiler.text(compiler.step("bash", "-c", scripts.FILE, "file", f"/app/{name}"))
    except StepFailed:
        return None


async def _archive(compiler: _Compiler, buildpacks: Sequence[Buildpack], process_types: Mapping[str, str]) -> Slug:
    await compiler.write(transcript.heading("Compressing..."))
    # Owners differ between sandboxes, so they are set to 0. Times stay, because Python checks compiled files against them.
    archive = compiler.step("tar", "-c", "-I", "zstd -3 -T0", "--numeric-owner", "--owner=0", "--group=0", "-C", "/app", ".")
    try:
        stored = await compiler.panel.objects.add(ObjectKind.SLUGS, compiler.workspace.read(archive), MAX_SLUG_BYTES)
    except StepFailed as error:
        raise _ended(error.exit) or Invalid("The slug could not be created.", "Push again.") from None
    except Invalid:
        await _print_largest(compiler)
        raise Invalid(
            f"The slug is over {transcript.size(MAX_SLUG_BYTES)}.", "Remove large files or list them in .slugignore, then push again."
        ) from None
    await compiler.write(transcript.detail(f"Done: {transcript.size(stored.size_bytes)}"))
    return Slug(
        id=SlugId(uuid4()),
        app_id=compiler.app.id,
        digest=stored.digest,
        size_bytes=stored.size_bytes,
        process_types=process_types,
        buildpacks=tuple(pack.url or pack.name for pack in buildpacks),
        commit=compiler.build.source.commit,
    )


async def _print_largest(compiler: _Compiler) -> None:
    listing = await compiler.text(compiler.step("bash", "-c", "cd /app && du -xak0 --max-depth=3 | sort -zrn | head -zn 9"))
    await compiler.write(transcript.detail("Largest files and folders, before compression:"))
    for entry in listing.rstrip("\0").split("\0"):
        kib, _, path = entry.partition("\t")
        if path != ".":
            await compiler.write(transcript.detail(f"{transcript.size(int(kib) * transcript.KIB):>7}  {shown(path.removeprefix('./'))}"))


def _ended(exit_: Exit) -> SkyPanelError | None:
    """Return the error for a build that the sandbox ended, or None if the command ended by itself."""
    return Invalid(f"The build was stopped: {exit_.reason}.", "Make the build smaller, and push again.") if exit_.reason else None


def _tar_of_files(files: Mapping[str, str]) -> bytes:
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w") as archive:
        for name, text in files.items():
            encoded = text.encode()
            entry = tarfile.TarInfo(name)
            entry.size = len(encoded)
            entry.mode = 0o600
            archive.addfile(entry, io.BytesIO(encoded))
    return body.getvalue()


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body

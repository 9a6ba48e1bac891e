"""The stack's run and build image: their contents, their names, and the commands that make them."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from shlex import quote

SUITE = "bookworm"
CONTENT_LABEL = "skypanel.stack.content"
IMAGE_LABEL = "skypanel.stack.image"
INIT = ("/usr/bin/tini", "--")
USER = "app"
UID = 1000
_DIGITS = 12
# An unfinished image is thrown away, so dpkg need not sync files to disk.
_IN_A_HURRY = "force-unsafe-io"
_LISTS = {"run": ("run.packages",), "build": ("run.packages", "build.packages")}
# Where builds find the programs that the panel provides, on every engine.
TOOLS = "/tools"


class StackImage(StrEnum):
    """Which of the two images of the stack."""

    RUN = "run"
    BUILD = "build"


@dataclass(frozen=True)
class Definition:
    """One image: `files` are those of the stack's folder, by name; `tools` are our own programs and their versions."""

    image: StackImage
    files: Mapping[str, str]
    tools: Mapping[str, str] = field(default_factory=dict)

    @property
    def packages(self) -> tuple[str, ...]:
        """The Debian packages that it contains."""
        lines = [line.strip() for name in _LISTS[self.image] for line in self.files[name].splitlines()]
        return tuple(line for line in lines if line and not line.startswith("#"))

    @property
    def content(self) -> str:
        """A digest (hex) of everything that determines the image's contents."""
        tools = (f"{name} {version}" for name, version in self.tools.items())
        parts = (SUITE, *self.packages, *INIT, *(self.files[name] for name in ("dpkg.conf", "finish.sh")), *tools)
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    @property
    def name(self) -> str:
        """The image's full name in Docker."""
        return f"{self.repository}:{self.tag}"

    @property
    def repository(self) -> str:
        """The part of its name that never changes."""
        return f"skypanel/{self.image}"

    @property
    def tag(self) -> str:
        """The part of its name that changes with its contents."""
        return self.content[:_DIGITS]

    @property
    def labels(self) -> dict[str, str]:
        """The Docker labels that identify it."""
        return {IMAGE_LABEL: str(self.image), CONTENT_LABEL: self.content}


def changes(definition: Definition) -> tuple[str, ...]:
    """Return the Dockerfile instructions that set an image's configuration."""
    entrypoint = ", ".join(f'"{word}"' for word in INIT)
    labels = (f"LABEL {name}={value}" for name, value in definition.labels.items())
    return (f"USER {UID}:{UID}", "WORKDIR /app", f"ENTRYPOINT [{entrypoint}]", 'CMD ["bash"]', *labels)


def dockerfile(definition: Definition) -> str:
    """Return the whole Dockerfile."""
    copied = [f"COPY {name} {TOOLS}/{name}" for name in definition.tools]
    return definition.files["Dockerfile"] + "\n".join((*copied, *changes(definition))) + "\n"


def build_arguments(definition: Definition, base: str) -> dict[str, str]:
    """Return the build arguments of the Dockerfile."""
    return {"BASE": base, "PACKAGES": " ".join(definition.packages)}


def root_command(definition: Definition, folder: str, programs: str) -> tuple[str, ...]:
    """Return the command that prints the image's files as a tar.

    `folder` holds the stack's files, `programs` the tools.
    """
    return (
        *("mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(definition.packages)}"),
        '--aptopt=Acquire::Languages "none"',
        *(f"--dpkgopt={line}" for line in (*definition.files["dpkg.conf"].splitlines(), _IN_A_HURRY) if line),
        f'--customize-hook=sed -i /{_IN_A_HURRY}/d "$1"/etc/dpkg/dpkg.cfg.d/*',
        f"--customize-hook=copy-in {quote(f'{folder}/finish.sh')} /tmp",
        '--customize-hook=chroot "$1" sh /tmp/finish.sh && rm "$1/tmp/finish.sh"',
        *(f'--customize-hook=install -D -m 0755 {quote(f"{programs}/{name}")} "$1"{TOOLS}/{name}' for name in definition.tools),
        SUITE,
    )

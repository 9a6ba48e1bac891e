"""Languages that no bundled buildpack supports. They are recognized so that no build mistakes them for something else."""

from collections.abc import Collection
from dataclasses import dataclass

EXPLICIT = "static.json"  # it says that the app's files are static, whatever else there is
_WEAK = frozenset({None, "procfile", "static"})  # these match almost any app


@dataclass(frozen=True)
class Language:
    """A language, and the files (patterns) at the root of an app that identify it, the strongest one first.

    A match in `frameworks` is certain, even if the app also has a package.json, for example for its assets.
    """

    name: str
    files: tuple[str, ...]
    frameworks: tuple[str, ...] = ()

    def match(self, found: Collection[str]) -> str | None:
        """Return the first of the found files that identifies this language, or None."""
        return next((file for file in (*self.files, *self.frameworks) if file in found), None)


LANGUAGES = (
    Language("Ruby", ("Gemfile",), ("config.ru", "bin/rails")),
    Language("PHP", ("composer.json",), ("index.php", "artisan", "bin/console")),
    Language("Go", ("go.mod", "Gopkg.toml", "Godeps/Godeps.json", "vendor/vendor.json", "main.go")),
    Language("Java", ("pom.xml", "build.gradle", "build.gradle.kts", "settings.gradle", "settings.gradle.kts", "gradlew")),
    Language("Scala", ("build.sbt",)),
    Language("Clojure", ("project.clj", "deps.edn")),
    Language("Elixir", ("mix.exs",)),
    Language("Rust", ("Cargo.toml",)),
    Language(".NET", ("*.csproj", "*.fsproj", "*.sln", "*.slnx")),
    Language("Deno", ("deno.json", "deno.jsonc")),
)
FILES = (EXPLICIT, *(file for language in LANGUAGES for file in (*language.files, *language.frameworks)))


@dataclass(frozen=True)
class UnsupportedLanguage:
    """A language in an app that has no buildpack. `file` identifies it; `is_whole` means that nothing else can build the app."""

    language: str
    file: str
    is_whole: bool


def foreign(fits: str | None, found: Collection[str]) -> UnsupportedLanguage | None:
    """Return the unsupported language of an app, or None. `fits` is the matching bundled buildpack, `found` are the FILES present."""
    matches = [(language, file) for language in LANGUAGES if (file := language.match(found)) is not None]
    for language, _ in matches:
        if framework := next((file for file in language.frameworks if file in found), None):
            return UnsupportedLanguage(language.name, framework, is_whole=True)
    if not matches:
        return None
    (language, file), is_weak = matches[0], fits in _WEAK and not (fits == "static" and EXPLICIT in found)
    return UnsupportedLanguage(language.name, file, is_whole=is_weak)

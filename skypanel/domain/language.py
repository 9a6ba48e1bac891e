"""Languages that are recognized though no bundled buildpack is for them, so that none is taken for something else."""

from collections.abc import Collection
from dataclasses import dataclass

EXPLICIT = "static.json"  # says that its files are to be served, whatever else there is
_WEAK = frozenset({None, "procfile", "static"})  # fit nearly anything


@dataclass(frozen=True)
class Language:
    """A language, and the files at the top of an app (as patterns) that tell it, the most telling one first.

    With one of `frameworks` it is in this language for certain, though it has a package.json for its assets, say.
    """

    name: str
    files: tuple[str, ...]
    frameworks: tuple[str, ...] = ()

    def told_by(self, found: Collection[str]) -> str | None:
        """Return which of the files that were found tells this language."""
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
    """What of an app is in a language without a buildpack; `file` tells it, and `is_whole` that nothing else can build the app."""

    language: str
    file: str
    is_whole: bool


def foreign(fits: str | None, found: Collection[str]) -> UnsupportedLanguage | None:
    """Return what of an app is in such a language, if something is, by the bundled buildpack that fits and which of FILES there are."""
    told = [(language, file) for language in LANGUAGES if (file := language.told_by(found)) is not None]
    for language, _ in told:
        if framework := next((file for file in language.frameworks if file in found), None):
            return UnsupportedLanguage(language.name, framework, is_whole=True)
    if not told:
        return None
    (language, file), is_weak = told[0], fits in _WEAK and not (fits == "static" and EXPLICIT in found)
    return UnsupportedLanguage(language.name, file, is_whole=is_weak)

"""`HOME/panel.json`: the settings of the last `up`, and the choices of `init`."""

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from skypanel.domain.errors import Invalid
from skypanel.settings.declaration import PICKED, Chosen, from_environment, settings_of

VERSION = 1


def write(chosen: Chosen) -> str:
    """Return the contents of the file."""
    values = {field.name: getattr(chosen, field.name) for field in fields(Chosen)}
    return json.dumps({"version": VERSION, **values}, indent=2, default=str) + "\n"


def read(text: str) -> Chosen:
    """Parse the contents of the file. Fields that an older version did not write get their defaults. Raises Invalid.

    The panel's user can write the file and root acts on it, so every value is validated as input.
    """
    try:
        return _chosen(json.loads(text))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise Invalid("The home's panel.json is damaged.", "Restore it from a backup.") from error


def _chosen(values: Mapping[str, Any]) -> Chosen:
    if values["version"] > VERSION:
        raise Invalid(
            f"This home was made by a newer SkyPanel (its format is {values['version']}, this one reads {VERSION}).",
            "Update SkyPanel, or set SKYPANEL_HOME to another folder.",
        )
    typed = {setting.key: _typed(values[name]) for name, setting in settings_of(Chosen).items() if name in values}
    readers = {field.name: field.metadata[PICKED] for field in fields(Chosen) if PICKED in field.metadata}
    picked = {name: read_one(values[name]) for name, read_one in readers.items() if name in values}
    return Chosen(**from_environment(typed), **picked)


def _typed(value: object) -> str:
    return ",".join(value) if isinstance(value, list) else str(value)

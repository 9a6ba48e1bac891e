"""Attempts to run something of an app. All of them must fail while its organization is suspended, whether unpaid or held."""

from skypanel.flow import config, release, run, scale

ATTEMPTS = {
    "push": lambda stage, app: stage.push(app, "second"),
    "scale": lambda stage, app: scale.scale(stage.panel, app, {"web": 2}, stage.admin),
    "restart": lambda stage, app: scale.restart(stage.panel, app, stage.admin),
    "run": lambda stage, app: run.detached(stage.panel, app, "true", stage.admin),
    "roll back": lambda stage, app: release.roll_back(stage.panel, app, 1, stage.admin),
    "configure": lambda stage, app: config.change(stage.panel, app, {"A": "1"}, stage.admin),
    "create": lambda stage, app: stage.app("another"),
}

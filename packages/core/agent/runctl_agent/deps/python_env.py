"""The Python that the training runs with: the machine's own, or an environment made from what the project says it needs."""

from __future__ import annotations

import sys

from ..context import SetupError
from ..programs import which

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict

    from ..context import Context


class PythonEnv:
    """What `python3` means for the training: the interpreter's path, and variables to put over the environment."""

    def __init__(self, interpreter: str, env: "Dict[str, str]") -> None:
        self.interpreter = interpreter
        self.env = env


def prepare(ctx: "Context") -> PythonEnv:
    """Brings the run's dependencies in place, cached by what decides them. Output goes to setup.log.

    SetupError: the installer failed (with its last lines), there is none, or the request makes no sense. Cancelled on cancel.
    """
    wanted: "Dict[str, Any]" = ctx.attempt.get("dependencies") or {"kind": "none"}
    kind = wanted["kind"]
    if kind == "none":
        return _system(ctx)
    if ctx.attempt.get("container"):
        return _in_container(ctx, kind)
    from . import building, sources

    if kind == "auto":
        source = sources.discover(ctx)
    elif kind == "file":
        source = sources.from_file(ctx, wanted["file"])
    elif kind == "packages":
        source = building.listed(wanted["packages"])
    else:
        raise SetupError("dependencies of the kind %r are not known" % (kind,), "", ["bring the host agent up to date"])
    if source is None:
        return _system(ctx)
    return building.Builder(ctx, source).prepare()


def _system(ctx: "Context") -> PythonEnv:
    return PythonEnv(system_python(ctx), {})


def _in_container(ctx: "Context", kind: str) -> PythonEnv:
    if kind != "auto":
        raise SetupError(
            "dependencies cannot be installed into a container",
            "a container brings its own Python and packages",
            ["install them in the Dockerfile", 'leave `dependencies` at "auto" or "none" with `container`'],
        )
    ctx.decision("dependencies are the container image's own")
    return PythonEnv("python3", {})


def system_python(ctx: "Context") -> str:
    """The interpreter for `python3`: the one on the run's own PATH if it sets one, else the one the agent was started with. No process is run."""
    path = (ctx.attempt.get("env") or {}).get("PATH")
    if path:
        found = which("python3", path)
        if found:
            return found
    return sys.executable or "python3"

"""The command line that the runner starts: interpreter, script, torchrun, container."""

from __future__ import annotations

from ..context import SetupError
from . import script

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, Tuple

    from ..context import Context
    from ..deps.python_env import PythonEnv


def command_line(ctx: "Context", python_env: "PythonEnv", env: "Dict[str, str]") -> "Tuple[List[str], Dict[str, str]]":
    """(argv, environment) for attempt["argv"], arguments taken literally. `env` is the training's whole environment so far.

    With a container this builds or pulls the image, which may take long. SetupError when it cannot be run; Cancelled on cancel.
    """
    inside = bool(ctx.attempt.get("container"))
    interpreter = "python3" if inside else python_env.interpreter
    argv = _command(ctx, interpreter)
    merged = dict(env)
    if not inside:
        merged.update(python_env.env)
    settings = ctx.attempt.get("distributed")
    if settings:
        from . import distributed

        mended = not inside and distributed.require_torch(interpreter, merged, ctx.work)
        argv = distributed.torchrun(ctx, argv, interpreter, merged, mended)
        stop = (ctx.attempt.get("checkpoints") or {}).get("stopSignal") or (ctx.attempt.get("stop") or {}).get("signal")
        if stop == "SIGUSR1":
            # torchrun passes on what is listed here; SIGUSR1 is not by itself, and would end it.
            merged.setdefault("TORCHELASTIC_SIGNALS_TO_HANDLE", "SIGTERM,SIGINT,SIGHUP,SIGQUIT,SIGUSR1")
        # Unbuffered, as torchrun's own python -u would be.
        merged.setdefault("PYTHONUNBUFFERED", "1")
    if inside:
        from . import container

        return container.run_argv(ctx, argv, merged)
    return argv, merged


def _command(ctx: "Context", interpreter: str) -> "List[str]":
    argv: "List[str]" = list(ctx.attempt["argv"])
    if not argv:
        raise SetupError("there is nothing to run", "the command is empty", ["give a script or a command"])
    name = ctx.attempt.get("script")
    if name and argv[0] == name:
        return script.command(ctx.work, name, argv[1:], interpreter)
    if name and argv[0] in script.PYTHONS and argv[1:2] == [name]:
        return script.command(ctx.work, name, argv[2:], interpreter)
    if argv[0] in script.PYTHONS:
        argv[0] = interpreter
    return argv

"""From the claim to the command line, in a thread of its own that a cancel can interrupt."""
from __future__ import annotations

import json
import os

from .context import SetupError
from .store import Conflict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional

    from .context import Context


class Refused(Exception):
    """This attempt must not train here."""

    def __init__(self, cause: str, what: str, why: str, fix: "List[str]") -> None:
        super().__init__(what)
        self.cause = cause
        self.error = {"what": what, "why": why, "fix": fix}


class Prepared:
    """What the runner is to start."""

    def __init__(self, argv: "List[str]", env: "Dict[str, str]", cwd: str) -> None:
        self.argv = argv
        self.env = env
        self.cwd = cwd


def claim(ctx: "Context") -> None:
    """Create-only in the store: of two machines with the same attempt one trains."""
    key = "%sattempts/%d/claim" % (ctx.run_prefix, ctx.attempt["attempt"])
    mine = {"machine": ctx.attempt["machineId"], "nonce": ctx.attempt["nonce"]}
    try:
        ctx.stores[0].put_bytes(key, json.dumps(mine).encode("utf-8"), create_only=True)
    except Conflict:
        try:
            theirs = json.loads(ctx.stores[0].get_bytes(key).decode("utf-8"))
        except ValueError:
            theirs = {}
        if theirs.get("nonce") != mine["nonce"]:
            raise Refused(
                "claim-lost",
                "attempt %d of run %s is claimed by machine %s" % (ctx.attempt["attempt"], ctx.attempt["runId"], theirs.get("machine")),
                "An attempt is never trained twice.",
                [],
            ) from None


def prepare(ctx: "Context", busy_with: "Optional[str]", phase: "Callable[[str], None]", resumed: "Callable[[Any], None]") -> Prepared:
    """Raises Refused, SetupError, StoreError, Cancelled."""
    attempt = ctx.attempt
    phase("claiming")
    claim(ctx)
    if busy_with is not None:
        raise Refused(
            "busy",
            "run %s is training on this host" % busy_with,
            "Two runs on one machine would share its memory, disk and GPUs.",
            ["Wait for run %s, or stop it" % busy_with, "Allow both with machine sharing (shared: true)"],
        )
    ctx.check_cancelled()
    phase("inputs")
    for name in ("", "output", "data"):
        os.makedirs(os.path.join(ctx.work, name), exist_ok=True)
    if attempt["code"] is not None:
        _part("stage").materialise(ctx, ctx.stores[0], attempt["code"]["manifest"], attempt["code"]["sha256"], ctx.work)
        ctx.check_cancelled()
    if attempt["inputs"]:
        _part("transfer").fetch_inputs(ctx)
        ctx.check_cancelled()
    from .environment import build, checkpoint_dir

    os.makedirs(checkpoint_dir(ctx), exist_ok=True)
    result = None
    if attempt["checkpoints"] is not None:
        result = _part("resume").prepare(ctx)
        ctx.check_cancelled()
        resumed(result)
    phase("dependencies")
    env = build(ctx, None if result is None else result.path)
    argv = list(attempt["argv"])
    if result is not None:
        argv += [word.replace("{checkpoint}", result.path) for word in attempt["checkpoints"]["resumeArgs"]]
    plain = attempt["dependencies"]["kind"] == "none" and attempt["distributed"] is None and attempt["container"] is None
    if not (plain and not _exists("launch")):
        python_env = _part("deps").prepare(ctx)
        ctx.check_cancelled()
        ctx.attempt["argv"] = argv
        argv, env = _part("launch").command_line(ctx, python_env, env)
        ctx.check_cancelled()
    return Prepared(argv, env, ctx.work)


def _exists(name: str) -> bool:
    try:
        _part(name)
    except SetupError:
        return False
    return True


def _part(name: str) -> "Any":
    """Parts are loaded when they are needed: an attempt without checkpoints never reads that code."""
    import importlib

    try:
        return importlib.import_module("runctl_agent." + name)
    except ModuleNotFoundError as error:
        if error.name != "runctl_agent." + name:
            raise
        raise SetupError("this version of the host agent has no part %r" % name, "The attempt asks for it.", ["Upgrade runctl"]) from None

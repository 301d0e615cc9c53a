"""From the claim to the command line, in a thread of its own that a cancel can interrupt."""

from __future__ import annotations

import json
import os

from ..store import Conflict, StoreError
from ..uploads.claimed import note_claimed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional

    from ..context import Context


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


TRIES = 4
PAUSE = 0.5
"""Seconds; doubled with every try."""


def claim(ctx: "Context") -> None:
    """Create-only in the store: of two machines with the same attempt one trains. Tried again: a claim of our own is known by its nonce."""
    pause = PAUSE
    for tried in range(1, TRIES + 1):
        try:
            _claim(ctx)
            return
        except StoreError:
            if tried == TRIES:
                raise
            ctx.cancelled.wait(pause)
            ctx.check_cancelled()
            pause *= 2


def _claim(ctx: "Context") -> None:
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
                "attempt %d of run %s is claimed by machine %s"
                % (ctx.attempt["attempt"], ctx.attempt["runId"], theirs.get("machine")),
                "An attempt is never trained twice.",
                [],
            ) from None


def prepare(
    ctx: "Context", busy_with: "Optional[str]", phase: "Callable[[str], None]", resumed: "Callable[[Any], None]"
) -> Prepared:
    """Raises Refused, SetupError, StoreError, Cancelled."""
    attempt = ctx.attempt
    phase("claiming")
    claim(ctx)
    note_claimed(ctx.dir)
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
    # Parts are loaded when they are needed: an attempt without checkpoints never reads that code.
    if attempt["code"] is not None:
        from .stage import materialise

        materialise(ctx, ctx.stores[0], attempt["code"]["manifest"], attempt["code"]["sha256"], ctx.work)
        ctx.check_cancelled()
    if attempt["inputs"]:
        from .inputs import fetch_inputs

        fetch_inputs(ctx)
        ctx.check_cancelled()
    from .environment import build, checkpoint_dir

    os.makedirs(checkpoint_dir(ctx), exist_ok=True)
    result = None
    resume_args: "List[str]" = []
    if attempt["checkpoints"] is not None:
        from ..ckpt import resume

        result = resume.prepare(ctx)
        ctx.check_cancelled()
        resumed(result)
        if result is not None:
            resume_args = [word.replace("{checkpoint}", result.path) for word in attempt["checkpoints"]["resumeArgs"]]
    phase("dependencies")
    env = build(ctx, None if result is None else result.path)
    argv = list(attempt["argv"]) + resume_args
    from ..deps import python_env
    from .launch import command_line

    python = python_env.prepare(ctx)
    ctx.check_cancelled()
    ctx.attempt["argv"] = argv
    argv, env = command_line(ctx, python, env)
    ctx.check_cancelled()
    if attempt.get("metricFiles"):
        from ..uploads.metric_files import note_base

        note_base(ctx)
    return Prepared(argv, env, ctx.work)

"""What a Dockerfile may copy: the staged code, without the run's inputs and checkpoints, which may be hundreds of gigabytes."""

from __future__ import annotations

import os
import shutil

from .inputs import read_ledger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Set

    from ..context import Context


def _left_out(ctx: "Context") -> "Set[str]":
    checkpoints = os.path.join(
        ctx.work, os.path.normpath((ctx.attempt.get("checkpoints") or {}).get("dir") or "checkpoints")
    )
    paths = set(read_ledger(ctx))
    if os.path.isdir(checkpoints) and os.listdir(checkpoints):
        paths.add(checkpoints)
    return paths


def prepare(ctx: "Context") -> str:
    """The folder to build from: the working folder, or a copy of hard links when something in it is to be left out.

    A folder and not a tar, for Docker obeys .dockerignore in folders only. `remove` takes the copy away. OSError.
    """
    left_out = _left_out(ctx)
    if not left_out:
        return ctx.work
    copy = _copy_of(ctx)
    shutil.rmtree(copy, ignore_errors=True)
    for folder, folders, names in os.walk(ctx.work):
        ctx.check_cancelled()
        target = os.path.normpath(os.path.join(copy, os.path.relpath(folder, ctx.work)))
        os.makedirs(target, exist_ok=True)
        for name in list(folders):
            path = os.path.join(folder, name)
            if path in left_out:
                folders.remove(name)
            elif os.path.islink(path):
                os.symlink(os.readlink(path), os.path.join(target, name))
        for name in names:
            path = os.path.join(folder, name)
            if path not in left_out and (os.path.isfile(path) or os.path.islink(path)):
                os.link(path, os.path.join(target, name), follow_symlinks=False)
    return copy


def remove(ctx: "Context") -> None:
    """Takes the copy away, if there is one."""
    shutil.rmtree(_copy_of(ctx), ignore_errors=True)


def _copy_of(ctx: "Context") -> str:
    return os.path.join(ctx.dir, "build-context")

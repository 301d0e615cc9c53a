"""What a Dockerfile may copy: the staged code, without the run's inputs, outputs and checkpoints, which may be hundreds of gigabytes."""

from __future__ import annotations

import os

from .inputs import read_ledger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Optional, Set

    from .context import Context


def _left_out(ctx: "Context") -> "Set[str]":
    checkpoints = ctx.attempt.get("checkpoints") or {}
    brought = {os.path.relpath(path, ctx.work) for path in read_ledger(ctx)}
    return brought | {os.path.normpath(checkpoints.get("dir") or "checkpoints")}


def write_context(ctx: "Context", pipe: "Any") -> None:
    """Streams the context as a tar to Docker's standard input. .dockerignore travels along and is obeyed by Docker."""
    import tarfile

    left_out = _left_out(ctx)

    def keep(member: "tarfile.TarInfo") -> "Optional[tarfile.TarInfo]":
        name = os.path.normpath(member.name)
        if name in left_out or not (member.isfile() or member.isdir() or member.issym()):
            return None
        # Layers must not depend on who staged the code.
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        member.mtime = int(member.mtime)
        return member

    with tarfile.open(fileobj=pipe, mode="w|", format=tarfile.PAX_FORMAT, dereference=False) as tar:
        # Docker looks at the first 512 bytes to tell a tar from a Dockerfile: they must be a plain header, whatever the first name is.
        first = tarfile.TarInfo(".")
        first.type, first.mode = tarfile.DIRTYPE, 0o755
        tar.addfile(first)
        for name in sorted(os.listdir(ctx.work)):
            tar.add(os.path.join(ctx.work, name), arcname=name, filter=keep)

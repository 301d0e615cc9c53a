"""Several processes for one training: torchrun (torch.distributed.run) with the attempt's settings."""

from __future__ import annotations

from ..context import SetupError
from .device import gpu_count

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List

    from ..context import Context

_LOOK = """
import importlib.util, os, sys
spec = importlib.util.find_spec("torch")
if spec is None or not spec.origin:
    sys.exit(3)
try:
    with open(os.path.join(os.path.dirname(spec.origin), "version.py")) as file:
        text = file.read()
except OSError:
    text = ""
old = any(line.replace('"', "'").startswith("__version__ = '1.") for line in text.splitlines())
sys.exit(4 if old and sys.version_info >= (3, 11) else 0)
"""
_MENDED = """
import runpy, sys
from torch.distributed.elastic.multiprocessing import api
if api.Std.from_str("0") is None:
    parse = api.Std.from_str.__func__
    api.Std.from_str = classmethod(lambda cls, text: cls(int(text)) if text in ("0", "1", "2", "3") else parse(cls, text))
runpy.run_module("torch.distributed.run", run_name="__main__", alter_sys=True)
"""
"""Torch 1.x on Python 3.11 and later (Debian 12's pair): its torchrun looks for the flag 0 by going through the flags, which leaves 0 out since 3.11."""


def processes_per_node(wanted: "Any", env: "Dict[str, str]") -> int:
    """A number, or one process a GPU (at least one) for "gpu"."""
    return max(1, gpu_count(env)) if wanted == "gpu" else int(wanted)


def torchrun(
    ctx: "Context", argv: "List[str]", interpreter: str, env: "Dict[str, str]", mended: bool = False
) -> "List[str]":
    """`argv` run by torchrun on this node. Whatever runs it stays as it is (--no_python), options of the interpreter included.

    Option names with underscores are understood by every torch since 1.9. No restarts of its own: recovering is ours. `mended` is what
    require_torch answers.
    """
    wanted = ctx.attempt["distributed"]
    nodes = int(wanted["nodes"])
    run = [interpreter, *(["-c", _MENDED] if mended else ["-m", "torch.distributed.run"]), "--nnodes", str(nodes)]
    run += ["--nproc_per_node", str(processes_per_node(wanted["processesPerNode"], env)), "--max_restarts", "0"]
    run += ["--rdzv_id", "%s-%d" % (ctx.attempt["runId"], ctx.attempt["attempt"])]
    if nodes == 1:
        # Port 0, a free one: --standalone of older torch has one fixed port, and two runs on a machine would meet there.
        run += ["--rdzv_backend", "c10d", "--rdzv_endpoint", "localhost:0"]
    else:
        # Static, not c10d: node 0 then holds rank 0, the one that saves.
        run += [
            "--node_rank",
            str(int(wanted["nodeRank"])),
            "--rdzv_backend",
            "static",
            "--rdzv_endpoint",
            wanted["rendezvous"],
        ]
    return run + ["--no_python", *argv]


def require_torch(interpreter: str, env: "Dict[str, str]", cwd: str) -> bool:
    """SetupError when the interpreter has no torch. Looks for it without importing it, which would take seconds.

    True: its torchrun must be mended to work with this Python.
    """
    import subprocess

    try:
        code = subprocess.run(
            [interpreter, "-c", _LOOK],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=env,
            cwd=cwd,
            timeout=120,
        ).returncode
    except (OSError, subprocess.TimeoutExpired):
        code = 3
    if code not in (0, 4):
        raise SetupError(
            "several processes were asked for, and PyTorch is not installed",
            "%s cannot import torch, whose torchrun starts them" % interpreter,
            [
                "add torch to the dependencies",
                "use a machine image with PyTorch",
                "leave out resources.nodes and resources.processesPerNode",
            ],
        )
    return code == 4

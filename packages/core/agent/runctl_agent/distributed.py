"""Several processes for one training: torchrun (torch.distributed.run) with the attempt's settings."""

from __future__ import annotations

from .context import SetupError
from .device import gpu_count

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List

    from .context import Context

_LOOK = "import importlib.util, sys; sys.exit(0 if importlib.util.find_spec('torch') else 3)"


def processes_per_node(wanted: "Any", env: "Dict[str, str]") -> int:
    """A number, or one process a GPU (at least one) for "gpu"."""
    return max(1, gpu_count(env)) if wanted == "gpu" else int(wanted)


def torchrun(ctx: "Context", argv: "List[str]", interpreter: str, env: "Dict[str, str]") -> "List[str]":
    """`argv` run by torchrun on this node. Whatever runs it stays as it is (--no_python), options of the interpreter included.

    Option names with underscores are understood by every torch since 1.9. No restarts of its own: recovering is ours.
    """
    wanted = ctx.attempt["distributed"]
    nodes = int(wanted["nodes"])
    run = [interpreter, "-m", "torch.distributed.run", "--nnodes", str(nodes)]
    run += ["--nproc_per_node", str(processes_per_node(wanted["processesPerNode"], env)), "--max_restarts", "0"]
    run += ["--rdzv_id", "%s-%d" % (ctx.attempt["runId"], ctx.attempt["attempt"])]
    if nodes == 1:
        # Port 0, a free one: --standalone of older torch has one fixed port, and two runs on a machine would meet there.
        run += ["--rdzv_backend", "c10d", "--rdzv_endpoint", "localhost:0"]
    else:
        # Static, not c10d: node 0 then holds rank 0, the one that saves.
        run += ["--node_rank", str(int(wanted["nodeRank"])), "--rdzv_backend", "static", "--rdzv_endpoint", wanted["rendezvous"]]
    return run + ["--no_python", *argv]


def require_torch(interpreter: str, env: "Dict[str, str]", cwd: str) -> None:
    """SetupError when the interpreter has no torch. Looks for it without importing it, which would take seconds."""
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
    if code != 0:
        raise SetupError(
            "several processes were asked for, and PyTorch is not installed",
            "%s cannot import torch, whose torchrun starts them" % interpreter,
            ["add torch to the dependencies", "use a machine image with PyTorch", "leave out resources.nodes and resources.processesPerNode"],
        )

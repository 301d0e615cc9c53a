"""What there is to compute with, told without importing a framework (importing torch takes seconds)."""

from __future__ import annotations

import os
import sys

from ..programs import which

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Optional


def gpu_count(env: "Optional[Dict[str, str]]" = None) -> int:
    """NVIDIA GPUs that a process with this environment sees: `nvidia-smi -L`, else device files, narrowed by CUDA_VISIBLE_DEVICES."""
    environment = os.environ if env is None else env
    count = _listed(environment.get("PATH"))
    if count is None:
        count = _device_files()
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return count
    chosen = [part for part in visible.split(",") if part.strip()]
    # CUDA stops at the first device that does not exist; -1 is the usual way to say none.
    for index, part in enumerate(chosen):
        if part.strip().lstrip("+-").isdigit() and not 0 <= int(part) < count:
            return index
    return min(count, len(chosen))


def _listed(path: "Optional[str]") -> "Optional[int]":
    program = which("nvidia-smi", path)
    if program is None:
        return None
    import subprocess

    try:
        result = subprocess.run(
            [program, "-L"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=20
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if result.returncode != 0:
        return None
    return sum(1 for line in result.stdout.split(b"\n") if line.startswith(b"GPU "))


def _device_files() -> int:
    try:
        return sum(1 for name in os.listdir("/dev") if name.startswith("nvidia") and name[6:].isdigit())
    except OSError:
        return 0


def detect(env: "Optional[Dict[str, str]]" = None) -> str:
    """ "cuda", "mps" or "cpu": a hint for the script (RUNCTL_DEVICE). Takes milliseconds without nvidia-smi."""
    if gpu_count(env):
        return "cuda"
    if sys.platform == "darwin" and os.uname().machine == "arm64":
        return "mps"
    return "cpu"

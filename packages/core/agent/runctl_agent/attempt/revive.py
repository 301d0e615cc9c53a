"""Guardian, supervisor and runner watch each other: whoever is left starts the guardian again, and that starts the supervisor."""

from __future__ import annotations

import os
import sys

from .. import procs
from ..records import write_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional, Tuple


def read_pid(path: str) -> "Optional[Tuple[int, str, str]]":
    """(pid, start time, boot id) out of a file that sh wrote."""
    try:
        with open(path) as file:
            fields = file.read().split()
        return int(fields[0]), fields[1].replace("_", " "), fields[2]
    except (OSError, ValueError, IndexError):
        return None


def pid_words(pid: int) -> str:
    """ "pid start boot" as sh reads it: a start time is one word."""
    return "%d %s %s" % (pid, str(procs.start_time(pid)).replace(" ", "_"), procs.boot_id())


def write_pid(path: str) -> None:
    """This process's pid file. Without room for it the guardian still knows whom it started."""
    try:
        write_bytes(path, (pid_words(os.getpid()) + "\n").encode("ascii"), durable=False)
    except OSError:
        pass


def running(path: str) -> bool:
    """Is the process of that file alive?"""
    found = read_pid(path)
    return found is not None and procs.is_alive(*found)


def start_guardian(dir: str, agent: str) -> None:
    """A new guardian in its own session, without secrets. One that finds another alive ends itself."""
    if os.path.exists(os.path.join(dir, "final.json")) and os.path.exists(os.path.join(dir, "ended")):
        return
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    try:
        os.setsid()
        if os.fork():
            os._exit(0)
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 0)
        os.dup2(null, 1)
        env = {name: value for name, value in os.environ.items() if name not in ("RUNCTL_NONCE", "RUNCTL_AGENT_NONCE")}
        os.execvpe("sh", ["sh", os.path.join(agent, "guardian.sh"), dir, agent, sys.executable], env)
    finally:
        os._exit(127)


def revive_both(dir: str, agent: str) -> None:
    """For the runner: only when neither is left, and the attempt is not over."""
    if not running(os.path.join(dir, "supervisor.pid")) and not running(os.path.join(dir, "guardian.pid")):
        start_guardian(dir, agent)

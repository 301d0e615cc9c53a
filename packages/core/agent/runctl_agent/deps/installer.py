"""Runs a setup program (pip, uv, docker build): output into setup.log line by line, secrets masked, ended at once on cancel."""

from __future__ import annotations

import os
import re
import signal
from collections import deque

from ..context import Cancelled
from ..progress import Progress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Deque, Dict, List, Optional

    from ..context import Context

LAST_LINES = 20
_LONGEST_LINE = 64 << 10
_GRACE = 3.0
"""Seconds between SIGTERM and SIGKILL for a program that is cancelled: pip and uv take away their temporary files in far less."""
_USERINFO = re.compile(r"(\b[a-zA-Z][a-zA-Z0-9+.-]*://)[^/\s@'\"]+@")


class Redactor:
    """Masks secret values and the user:password part of URLs."""

    def __init__(self, secrets: "Dict[str, str]") -> None:
        # Longest first, so that a value within another leaves no rest of it. Very short ones would mask half the text.
        values = {line for value in secrets.values() for line in [value] + value.splitlines() if len(line) >= 4}
        self._values = sorted(values, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        for value in self._values:
            text = text.replace(value, "***")
        return _USERINFO.sub(r"\1***@", text)


class Finished:
    """How a program ended and the last lines it said (masked)."""

    def __init__(self, code: int, tail: "List[str]") -> None:
        self.code = code
        self.tail = tail

    @property
    def why(self) -> str:
        """The last lines as one text, for an error."""
        return "\n".join(self.tail) or "it ended with code %d and said nothing" % self.code


def installer_env(ctx: "Context", extra: "Optional[Dict[str, str]]" = None) -> "Dict[str, str]":
    """The environment for setup programs: the host's, the run's own (index settings, proxies), and the nonce that lets the agent find them."""
    env = dict(os.environ)
    env.update(ctx.attempt.get("env") or {})
    env.update(ctx.secrets_env)
    env["RUNCTL_NONCE"] = str(ctx.attempt["nonce"])
    env["NO_COLOR"] = "1"
    # The agent runs isolated; a PYTHONHOME or the like of the host must not reach another interpreter either.
    env.pop("PYTHONHOME", None)
    env.pop("__PYVENV_LAUNCHER__", None)
    env.update(extra or {})
    return env


def run(
    ctx: "Context",
    argv: "List[str]",
    operation: str,
    env: "Dict[str, str]",
    cwd: "Optional[str]" = None,
    keep: int = LAST_LINES,
) -> Finished:
    """Runs `argv` in a session of its own to its end, `keep` last lines remembered. Its standard input is empty.

    Raises Cancelled (the program and its children are dead by then) and OSError when it cannot be started.
    """
    import subprocess

    ctx.check_cancelled()
    redact = Redactor(ctx.secrets_env)
    progress = Progress(ctx, operation, None, "lines")
    tail: "Deque[str]" = deque(maxlen=keep)

    def say(raw: bytes) -> None:
        line = redact(raw.decode("utf-8", "replace").rstrip("\r\n"))
        if line.strip():
            # A bar redrawn by carriage returns counts by its last state.
            tail.append(line.rsplit("\r", 1)[-1][:2000])
            progress.add(1, tail[-1][:200])
        ctx.setup_log(line + "\n")

    child = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=cwd,
        env=env,
        start_new_session=True,
    )
    try:
        _pump(ctx, child, say)
        code = child.wait()
    except BaseException:
        _end(child)
        raise
    finally:
        if child.stdout is not None:
            child.stdout.close()
    progress.finish(tail[-1][:200] if tail else None)
    return Finished(code, list(tail))


def _pump(ctx: "Context", child: "Any", say: "Callable[[bytes], None]") -> None:
    """Lines until the program is gone. A background process that keeps the pipe open does not hold us."""
    import select

    fd = child.stdout.fileno()
    rest = b""
    while True:
        if ctx.cancelled.is_set():
            raise Cancelled()
        readable, _, _ = select.select([fd], [], [], 0.1)
        if not readable:
            if child.poll() is not None:
                break
            continue
        data = os.read(fd, 65536)
        if not data:
            break
        lines = (rest + data).split(b"\n")
        rest = lines.pop()
        if len(rest) > _LONGEST_LINE:
            lines.append(rest)
            rest = b""
        for line in lines:
            say(line)
    if rest:
        say(rest)
    while child.poll() is None:
        if ctx.cancelled.wait(0.02):
            raise Cancelled()


def _end(child: "Any") -> None:
    import subprocess

    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(child.pid, number)
        except OSError:
            pass
        try:
            child.wait(_GRACE)
        except subprocess.TimeoutExpired:
            continue
    # Children that ignored SIGTERM after their leader had gone.
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except OSError:
        pass

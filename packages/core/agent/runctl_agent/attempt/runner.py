"""The training's parent. Forked from the supervisor, survives it, and writes down how the training ended."""

from __future__ import annotations

import os
import signal
import sys

from .. import procs
from ..records import iso_now, write_bytes
from ..reserve import vital, write_vital

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional

WATCH_SECONDS = 5.0


class Runner:
    """
    The supervisor's end of a runner that is forked early, while this process has one thread, and waits for its order.
    If the supervisor dies before `launch`, the runner ends; after it, the runner goes on alone.
    """

    def __init__(self, dir: str, revive: "Callable[[], None]") -> None:
        """`revive` is called in the runner now and then. Locks held by open descriptors (flock) last as long as the runner."""
        order_read, self._order = os.pipe()
        self.done, done_write = os.pipe()
        middle = os.fork()
        if middle == 0:
            try:
                os.setsid()
                if os.fork() == 0:
                    os.close(self._order)
                    os.close(self.done)
                    _run(dir, order_read, revive)
            finally:
                os._exit(0)
        os.close(order_read)
        os.close(done_write)
        os.waitpid(middle, 0)

    def launch(self, argv: "List[str]", env: "Dict[str, str]", cwd: str) -> None:
        """Gives the order. OSError (EPIPE) when the runner is gone."""
        import json

        data = memoryview(json.dumps([argv, env, cwd]).encode("ascii") + b"\n")
        while data:
            data = data[os.write(self._order, data) :]
        os.close(self._order)
        self._order = -1

    def dismiss(self) -> None:
        """There is nothing to run."""
        if self._order >= 0:
            os.close(self._order)
            self._order = -1

    def wait(self, seconds: float) -> None:
        """Until the runner is gone, with the locks that it holds."""
        import select

        select.select([self.done], [], [], seconds)


def _run(dir: str, order: int, revive: "Callable[[], None]") -> None:
    import json

    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    text = b"".join(iter(lambda: os.read(order, 1 << 16), b""))
    if not text.endswith(b"\n"):
        return
    argv, env, cwd = json.loads(text.decode("ascii"))
    go_read, go_write = os.pipe()
    fail_read, fail_write = os.pipe()
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
    child = os.fork()
    if child == 0:
        os.close(go_write)
        _exec(dir, argv, env, cwd, go_read, fail_write)
    os.close(go_read)
    os.close(fail_write)
    start = procs.start_time(child)
    me = os.getpid()
    own = procs.start_time(me)
    boot = procs.boot_id()
    record = {
        "pid": child,
        "startTime": start,
        "bootId": boot,
        "nonce": env["RUNCTL_NONCE"],
        "runnerPid": me,
        "runnerStartTime": own,
        "startedUptime": procs.uptime(),
        "startedAt": iso_now(),
    }
    # Only of use while this boot lasts: it has to outlive processes, not the power, and the training waits for it.
    write_vital(dir, os.path.join(dir, "runner.json"), record, durable=False)
    # The same for sh, in which a start time is one word.
    words = " ".join(str(word).replace(" ", "_") for word in (child, start, boot, me, own))
    vital(dir, lambda: write_bytes(os.path.join(dir, "runner.pid"), (words + "\n").encode("ascii"), durable=False))
    os.write(go_write, b"g")
    os.close(go_write)
    problem = b"".join(iter(lambda: os.read(fail_read, 4096), b"")).decode("utf-8", "replace")
    status = _wait(child, revive)
    ended: "Dict[str, Any]" = {"code": None, "signal": None, "endedUptime": procs.uptime(), "endedAt": iso_now()}
    if os.WIFSIGNALED(status):
        ended["signal"] = _signal_name(os.WTERMSIG(status))
    else:
        ended["code"] = os.WEXITSTATUS(status)
    if problem:
        ended["spawnError"] = problem
    write_vital(dir, os.path.join(dir, "exit.json"), ended)


def _wait(child: int, revive: "Callable[[], None]") -> int:
    timed = getattr(signal, "sigtimedwait", None)
    while timed is not None:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return status
        if timed([signal.SIGCHLD], WATCH_SECONDS) is None:
            try:
                revive()
            except OSError:
                pass
    return os.waitpid(child, 0)[1]


def _exec(dir: str, argv: "List[str]", env: "Dict[str, str]", cwd: str, go: int, fail: int) -> None:
    try:
        # Python ignores SIGPIPE and SIGXFSZ, the runner more; the training gets what a shell would give it. First of all, so that
        # a stop signal that comes before the exec is not swallowed.
        for name in ("SIGPIPE", "SIGXFSZ", "SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1"):
            number = getattr(signal, name, None)
            if number is not None:
                signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        # A process group of its own: what is sent to the runner's group never reaches the training, and the reverse.
        os.setsid()
        if os.read(go, 1) != b"g":
            os._exit(127)
        try:
            with open("/proc/self/oom_score_adj", "r+") as file:
                own = int(file.read())
                file.seek(0)
                file.write(str(min(1000, own + 500)))
        except (OSError, ValueError):
            pass
        null = os.open(os.devnull, os.O_RDONLY)
        log = os.open(os.path.join(dir, "log"), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.dup2(null, 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.chdir(cwd)
        os.execvpe(argv[0], argv, env)
    except BaseException as error:  # noqa: BLE001 - whatever it is, it must be told
        text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        os.write(fail, text.encode("utf-8", "replace")[:2000])
    finally:
        os._exit(127)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "SIG%d" % number


def open_pidfd(pid: int) -> "Optional[int]":
    """A descriptor that becomes readable when the process ends; None where the system has none (before Linux 5.3, Python 3.9)."""
    if sys.version_info >= (3, 9) and hasattr(os, "pidfd_open"):
        try:
            return os.pidfd_open(pid)
        except OSError:
            pass
    return None

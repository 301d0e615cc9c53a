"""Processes by identity. A pid alone may be somebody else's by now: a process is (pid, start time, boot id)."""

from __future__ import annotations

import os
import signal
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Optional

LINUX = sys.platform.startswith("linux")
_BOOT_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
_boot_id = ""


def uptime() -> float:
    """Seconds since boot, sleep included; never jumps with the wall clock."""
    return time.clock_gettime(_BOOT_CLOCK)


def _output(argv: "List[str]") -> str:
    import subprocess

    result = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return result.stdout.decode("utf-8", "replace").strip()


def boot_id() -> str:
    """Changes with every boot of the host."""
    global _boot_id
    if not _boot_id:
        if LINUX:
            with open("/proc/sys/kernel/random/boot_id") as file:
                _boot_id = file.read().strip()
        else:
            _boot_id = _output(["sysctl", "-n", "kern.bootsessionuuid"])
    return _boot_id


def start_time(pid: int) -> "Optional[str]":
    """When the process began, in the kernel's own words (ticks since boot; `ps` text on macOS). None: no such process, or a zombie."""
    if pid <= 0:
        return None
    if not LINUX:
        text = _output(["ps", "-o", "stat=,lstart=", "-p", str(pid)])
        return None if not text or text.startswith("Z") else text.split(None, 1)[1]
    try:
        with open("/proc/%d/stat" % pid, "rb") as file:
            stat = file.read()
    except OSError:
        return None
    # The command name may hold spaces and parentheses: the fields begin after the last one.
    fields = stat[stat.rfind(b")") + 2 :].split()
    if len(fields) < 20 or fields[0] in (b"Z", b"X"):
        return None
    return fields[19].decode("ascii")


def is_alive(pid: int, start: "Optional[str]", boot: str) -> bool:
    """Is exactly this process still running? A zombie is not."""
    return boot == boot_id() and start is not None and start_time(pid) == str(start)


def signal_exact(pid: int, start: "Optional[str]", boot: str, number: int) -> bool:
    """Sends a signal to exactly this process; False when it is gone."""
    if not is_alive(pid, start, boot):
        return False
    try:
        os.kill(pid, number)
    except OSError:
        return False
    return True


def pids_with_nonce(nonce: str, name: str = "RUNCTL_NONCE") -> "List[int]":
    """Every process whose environment carries the attempt's nonce, whatever its session, zombies left out. Never this process itself."""
    own = os.getpid()
    if not LINUX:
        mark = "%s=%s" % (name, nonce)
        lines = _output(["ps", "-axEww", "-o", "pid=,command="]).splitlines()
        return [int(line.split(None, 1)[0]) for line in lines if mark in line and int(line.split(None, 1)[0]) != own]
    # Bounded by NUL, so that one nonce is never the beginning of another.
    needle = b"\0" + name.encode("ascii") + b"=" + nonce.encode("utf-8") + b"\0"
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == own:
            continue
        try:
            with open("/proc/%s/environ" % entry, "rb") as file:
                environ = file.read()
        except OSError:
            continue
        if needle in b"\0" + environ + b"\0":
            found.append(int(entry))
    return found


def kill_group(pgid: int) -> None:
    """SIGKILL to a process group; gone is fine."""
    try:
        os.killpg(pgid, signal.SIGKILL)
    except OSError:
        pass


def kill_nonce(nonce: str, seconds: float = 10.0, name: str = "RUNCTL_NONCE") -> bool:
    """SIGKILLs every process with the nonce, again and again (they may be forking), until none is left. False when some outlived `seconds`."""
    end = uptime() + seconds
    pause = 0.002
    while True:
        pids = pids_with_nonce(nonce, name)
        if not pids:
            return True
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
        if uptime() > end:
            return False
        time.sleep(pause)
        pause = min(0.1, pause * 2)

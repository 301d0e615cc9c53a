"""A Docker engine of our own for a test run: private socket, folder and state; an image from a static busybox, without a registry."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import tarfile
import tempfile
import time
from typing import Optional

_state: "dict[str, Optional[str]]" = {}
IMAGE = "runctl-test-busybox:1"


def reason() -> Optional[str]:
    """None when an engine is there (DOCKER_HOST points to it), else why not. Starts it the first time."""
    if "reason" not in _state:
        _state["reason"] = _start()
    return _state["reason"]


def _busybox() -> Optional[str]:
    for path in ("/bin/busybox", "/usr/bin/busybox", os.environ.get("RUNCTL_TEST_BUSYBOX") or ""):
        if path and os.path.exists(path):
            with open(path, "rb") as file:
                # A static program asks for no interpreter.
                if b"/lib64/ld-linux" not in file.read():
                    return path
    return None


def _start() -> Optional[str]:
    if os.environ.get("RUNCTL_TEST_ENGINES") == "0":
        return "left to the run with this machine's own python3"
    if not (shutil.which("docker") and shutil.which("dockerd")):
        return "docker or dockerd is not installed"
    if os.getuid() != 0:
        return "dockerd needs root"
    busybox = _busybox()
    if busybox is None:
        return "there is no static busybox to make an image from (Debian: busybox-static)"
    base = tempfile.mkdtemp(prefix="runctl-docker-")
    log = open(os.path.join(base, "log"), "wb")
    daemon = subprocess.Popen(
        [
            "dockerd",
            "--storage-driver",
            "vfs",
            "--iptables=false",
            "--ip6tables=false",
            "--bridge=none",
            "--data-root",
            base + "/data",
        ]
        + ["--exec-root", base + "/exec", "--pidfile", base + "/pid", "--host", "unix://" + base + "/sock"],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    log.close()

    def stop() -> None:
        daemon.terminate()
        try:
            daemon.wait(30)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()
        shutil.rmtree(base, ignore_errors=True)

    atexit.register(stop)
    os.environ["DOCKER_HOST"] = "unix://" + base + "/sock"
    os.environ["DOCKER_CONFIG"] = base + "/config"
    end = time.monotonic() + 30
    while subprocess.run(["docker", "version"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode != 0:
        if daemon.poll() is not None or time.monotonic() > end:
            with open(os.path.join(base, "log"), "rb") as said:
                return "dockerd does not start here: %s" % said.read().decode("utf-8", "replace")[-300:]
        time.sleep(0.1)
    archive = os.path.join(base, "image.tar")
    with tarfile.open(archive, "w") as tar:
        tar.add(busybox, "bin/busybox")
        for name in (
            "sh",
            "env",
            "cat",
            "ls",
            "echo",
            "sleep",
            "printf",
            "id",
            "pwd",
            "mkdir",
            "touch",
            "tr",
            "cp",
            "test",
        ):
            link = tarfile.TarInfo("bin/" + name)
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
        folder = tarfile.TarInfo("tmp")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o1777
        tar.addfile(folder)
    made = subprocess.run(["docker", "import", archive, IMAGE], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return None if made.returncode == 0 else "the image cannot be made: %s" % made.stdout.decode("utf-8", "replace")

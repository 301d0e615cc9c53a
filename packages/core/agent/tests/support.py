"""What the tests share: a temporary attempt, a store in a folder, a snapshot made from a folder."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import tempfile
import threading
import time
import unittest
from typing import Any, Dict, Iterable, List, Optional, Tuple

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from runctl_agent.context import Context
from runctl_agent.store import FileStore

CROWDS = unittest.skipIf(os.environ.get("RUNCTL_TEST_CROWDS") == "0", "thousands of files are as many on every Python")


class Attempt:
    """One attempt in a temporary folder."""

    def __init__(self, base: str, **changes: Any) -> None:
        self.base = base
        self.events: List[Dict[str, Any]] = []
        self.decisions: List[str] = []
        self.log: List[str] = []
        self.secrets: Dict[str, str] = {}
        self.root = os.path.join(base, "store")
        os.makedirs(self.root, exist_ok=True)
        self.dir = os.path.join(base, "runs", "r1", "1")
        os.makedirs(self.dir, exist_ok=True)
        self.store = FileStore(self.root, "")
        self.attempt: Dict[str, Any] = {
            "v": 1,
            "runId": "r1",
            "attempt": 1,
            "nonce": "n-" + os.urandom(6).hex(),
            "machineId": "m",
            "stateId": "s",
            "stores": [{"prefix": "", "access": {"kind": "file", "settings": {"root": self.root}}}],
            "runPrefix": "runs/r1/",
            "code": None,
            "argv": ["python3", "train.py"],
            "env": {},
            "secretNames": [],
            "dependencies": {"kind": "none"},
            "script": "train.py",
            "inputs": [],
            "outputs": [],
            "checkpoints": None,
            "stop": {"signal": "SIGTERM", "graceSeconds": 30},
            "distributed": None,
            "container": None,
        }
        self.attempt.update(changes)
        self.cancelled = threading.Event()

    def context(self) -> Context:
        """A fresh context, as a restarted supervisor would have."""
        return Context(
            attempt=self.attempt,
            dir=self.dir,
            home=self.base,
            cache=os.path.join(self.base, "cache"),
            work=os.path.join(self.dir, "work"),
            stores=[self.store],
            secrets_env=self.secrets,
            emit=self.events.append,
            decision=self.decisions.append,
            uptime=time.monotonic,
            setup_log=self.log.append,
            cancelled=self.cancelled,
        )

    @property
    def work(self) -> str:
        return os.path.join(self.dir, "work")

    @property
    def setup_log(self) -> str:
        return "".join(self.log)

    def write(self, path: str, content: "str | bytes" = "", executable: bool = False) -> str:
        """A file of the working folder."""
        return write(os.path.join(self.work, path), content, executable)


def write(full: str, content: "str | bytes" = "", executable: bool = False) -> str:
    """A file with its folders."""
    os.makedirs(os.path.dirname(full), exist_ok=True)
    with open(full, "wb") as file:
        file.write(content if isinstance(content, bytes) else content.encode("utf-8"))
    if executable:
        os.chmod(full, 0o755)
    return full


class Case(unittest.TestCase):
    """A test with a temporary folder and without this machine's own installer settings."""

    def setUp(self) -> None:
        # Spaces, quotes and a newline in every path of every test.
        self.base = os.path.realpath(tempfile.mkdtemp(prefix="runctl agent 'q\"\n"))
        self.addCleanup(shutil.rmtree, self.base, True)

    def new(self, **changes: Any) -> Attempt:
        return Attempt(self.base, **changes)


def canonical(files: "Iterable[Dict[str, Any]]", links: "Iterable[Dict[str, str]]", dirs: "Iterable[str]") -> str:
    """The digest as the controller computes it."""
    content = {
        "files": sorted(
            ([f["path"], f["size"], f["sha256"], f["mode"]] for f in files), key=lambda row: row[0].encode()
        ),
        "links": sorted(([e["path"], e["target"]] for e in links), key=lambda row: row[0].encode()),
        "dirs": sorted(dirs, key=lambda path: path.encode()),
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def snapshot(
    attempt: Attempt,
    files: "Dict[str, Tuple[bytes, str]]",
    links: "Optional[Dict[str, str]]" = None,
    dirs: "Iterable[str]" = (),
    packs: int = 1,
    hole: int = 0,
) -> "Tuple[str, str]":
    """Puts a tree into the store: (manifest key, digest). `hole`: bytes of nothing between two blobs."""
    bodies: List[bytearray] = [bytearray() for _ in range(packs)]
    rows: List[Dict[str, Any]] = []
    for index, (path, (data, mode)) in enumerate(files.items()):
        pack = index % packs
        rows.append(
            {
                "path": path,
                "size": len(data),
                "sha256": hashlib.sha256(data).hexdigest(),
                "mode": mode,
                "pack": pack,
                "offset": len(bodies[pack]),
            }
        )
        bodies[pack] += data + b"\0" * hole
    keys = []
    for body in bodies:
        key = "code/packs/%s.pack" % hashlib.sha256(bytes(body)).hexdigest()
        attempt.store.put_bytes(key, bytes(body))
        keys.append(key)
    manifest = {
        "v": 1,
        "files": rows,
        "links": [{"path": p, "target": t} for p, t in (links or {}).items()],
        "dirs": list(dirs),
        "packs": keys,
    }
    return put_manifest(attempt, manifest)


def put_manifest(attempt: Attempt, manifest: "Dict[str, Any]") -> "Tuple[str, str]":
    """Any manifest, well-formed or not, under the digest of what it says."""
    digest = canonical(manifest["files"], manifest["links"], manifest["dirs"])
    key = "code/trees/%s.json" % digest
    attempt.store.put_bytes(key, json.dumps(manifest).encode("ascii"))
    return key, digest


def tree_of(folder: str) -> "Dict[str, Tuple[str, Any, int]]":
    """What is in a folder: path -> (kind, content, mode)."""
    found: Dict[str, Tuple[str, Any, int]] = {}
    for root, dirs, names in os.walk(folder):
        for name in dirs + names:
            full = os.path.join(root, name)
            path = os.path.relpath(full, folder)
            if os.path.islink(full):
                found[path] = ("link", os.readlink(full), 0)
            elif os.path.isdir(full):
                found[path] = ("dir", None, 0)
            else:
                with open(full, "rb") as file:
                    found[path] = ("file", file.read(), os.stat(full).st_mode & 0o777)
    return found

"""The code tree's manifest: read, compared with its digest and checked before anything is written. It is not trusted."""

from __future__ import annotations

import json
import re

from ..context import SetupError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, NoReturn, Set, Tuple

_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_MAX_EXPANSIONS = 40
"""Linux gives up with ELOOP after as many symbolic links: what lies behind more of them cannot be reached."""


class TreeFile:
    """One file of the tree and where its bytes are."""

    __slots__ = ("path", "size", "sha256", "executable", "pack", "offset")

    def __init__(self, path: bytes, size: int, sha256: str, executable: bool, pack: int, offset: int) -> None:
        self.path = path
        self.size = size
        self.sha256 = sha256
        self.executable = executable
        self.pack = pack
        self.offset = offset


class Tree:
    """A checked tree. Paths are UTF-8 bytes, relative, and never lead through a link or out of the tree."""

    def __init__(
        self, files: "List[TreeFile]", links: "List[Tuple[bytes, bytes]]", dirs: "List[bytes]", packs: "List[str]"
    ) -> None:
        self.files = files
        self.links = links
        self.dirs = dirs
        self.packs = packs

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


def _refuse(why: str) -> "NoReturn":
    raise SetupError(
        "the code snapshot is not valid",
        why,
        [
            "start a new run: the snapshot is made again from the project root",
            "check that nobody else writes to the run's store",
        ],
    )


def _path(value: "Any") -> bytes:
    if not isinstance(value, str) or not value:
        _refuse("a path is %r" % (value,))
    if "\0" in value or any(part in ("", ".", "..") for part in value.split("/")):
        _refuse("the path %r leaves the tree or is not plain" % value)
    try:
        return value.encode("utf-8")
    except UnicodeEncodeError:
        _refuse("the path %r is not UTF-8" % value)


def _count(value: "Any", what: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        _refuse("%s is %r" % (what, value))
    return value


def _list(value: "Any", what: str) -> "List[Any]":
    if not isinstance(value, list):
        _refuse("%s is no list" % what)
    return value


def _digest(files: "List[Dict[str, Any]]", links: "List[Dict[str, Any]]", dirs: "List[str]") -> str:
    from hashlib import sha256

    content = {
        "files": sorted(
            ([f["path"], f["size"], f["sha256"], f["mode"]] for f in files), key=lambda row: row[0].encode("utf-8")
        ),
        "links": sorted(([link["path"], link["target"]] for link in links), key=lambda row: row[0].encode("utf-8")),
        "dirs": sorted(dirs, key=lambda path: path.encode("utf-8")),
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return sha256(text.encode("utf-8")).hexdigest()


def _check_target(path: bytes, target: bytes, links: "Dict[bytes, bytes]") -> None:
    """Walks a link as the kernel would, other links of the tree included: a/../.. is harmless or not depending on what a is."""
    at: "List[bytes]" = path.split(b"/")[:-1]
    todo = target.split(b"/")
    expansions = 0
    while todo:
        part = todo.pop(0)
        if part in (b"", b"."):
            continue
        if part == b"..":
            if not at:
                _refuse("the link %r points out of the tree" % path.decode("utf-8"))
            at.pop()
            continue
        at.append(part)
        further = links.get(b"/".join(at))
        if further is not None:
            expansions += 1
            if expansions > _MAX_EXPANSIONS:
                return
            at.pop()
            todo = further.split(b"/") + todo


def parse(data: bytes, sha256: str) -> Tree:
    """The tree of a manifest's bytes. SetupError when the manifest is malformed, is not the one `sha256` names, or would write outside."""
    try:
        manifest = json.loads(data.decode("utf-8"))
    except ValueError as error:
        _refuse("the manifest is no JSON: %s" % error)
    if not isinstance(manifest, dict) or manifest.get("v") != 1:
        _refuse("the manifest is of another version")
    raw_files = _list(manifest.get("files"), "files")
    raw_links = _list(manifest.get("links"), "links")
    raw_dirs = _list(manifest.get("dirs"), "dirs")
    packs = _list(manifest.get("packs"), "packs")
    if not all(isinstance(pack, str) for pack in packs):
        _refuse("packs holds something else than keys")

    files: "List[TreeFile]" = []
    for raw in raw_files:
        if not isinstance(raw, dict):
            _refuse("files holds %r" % (raw,))
        path = _path(raw.get("path"))
        digest = raw.get("sha256")
        if not isinstance(digest, str) or not _SHA256.match(digest):
            _refuse("the digest of %r is %r" % (raw.get("path"), digest))
        if raw.get("mode") not in ("644", "755"):
            _refuse("the mode of %r is %r" % (raw.get("path"), raw.get("mode")))
        size = _count(raw.get("size"), "the size of %r" % raw["path"])
        pack = offset = 0
        if size:
            pack = _count(raw.get("pack"), "the pack of %r" % raw["path"])
            offset = _count(raw.get("offset"), "the offset of %r" % raw["path"])
            if pack >= len(packs):
                _refuse("%r is in pack %d of %d" % (raw["path"], pack, len(packs)))
        files.append(TreeFile(path, size, digest, raw["mode"] == "755", pack, offset))

    links: "Dict[bytes, bytes]" = {}
    for raw in raw_links:
        if not isinstance(raw, dict) or not isinstance(raw.get("target"), str) or not raw["target"]:
            _refuse("links holds %r" % (raw,))
        if raw["target"].startswith("/") or "\0" in raw["target"]:
            _refuse("the link %r points to %r" % (raw.get("path"), raw["target"]))
        path = _path(raw.get("path"))
        if path in links:
            _refuse("%r is there twice" % raw["path"])
        try:
            links[path] = raw["target"].encode("utf-8")
        except UnicodeEncodeError:
            _refuse("the target of %r is not UTF-8" % raw["path"])
    dirs = [_path(raw) for raw in raw_dirs]

    leaves = {file.path for file in files}
    if len(leaves) != len(files) or not leaves.isdisjoint(links):
        _refuse("a path is there twice")
    leaves.update(links)
    parents: "Set[bytes]" = set(dirs)
    for path in list(leaves) + dirs:
        cut = path.rfind(b"/")
        while cut > 0 and path[:cut] not in parents:
            parents.add(path[:cut])
            cut = path.rfind(b"/", 0, cut)
    for path in parents:
        if path in leaves:
            _refuse("%r is a folder and something else" % path.decode("utf-8"))
    for path, target in links.items():
        _check_target(path, target, links)
    try:
        actual = _digest(raw_files, raw_links, raw_dirs)
    except (KeyError, UnicodeEncodeError) as error:
        _refuse("the manifest cannot be hashed: %s" % error)
    if actual != sha256:
        _refuse("its content has the digest %s, expected %s" % (actual, sha256))
    # Parents before children, by depth of the name.
    return Tree(files, sorted(links.items()), sorted(parents), packs)

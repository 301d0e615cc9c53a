"""Brings the newest good checkpoint of the run into the checkpoint dir, falling back one by one, and claims the run for this attempt."""

from __future__ import annotations

import json
import os
import re
import shutil

from ..context import SetupError
from ..records import iso_now
from ..store import Missing, StoreError
from .candidates import look
from .dirs import judge_unit
from .formats import TORN, open_tree
from .hashing import hash_file, list_digest
from .latest import Late, Latest
from .layout import find_units
from .publisher import baseline

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional, Tuple, TypeVar

    from ..context import Context

    T = TypeVar("T")

TRIES = 4
_SHA = re.compile(r"^[0-9a-f]{64}$")


class ResumeResult:
    """What the attempt resumes from. `path` is absolute, inside the working folder."""

    def __init__(self, path: str, manifest_key: str, step: "Optional[float]") -> None:
        self.path = path
        self.manifest_key = manifest_key
        self.step = step


class Rejected(Exception):
    """This checkpoint cannot be resumed from; the text says why."""


def prepare(ctx: "Context") -> "Optional[ResumeResult]":
    """Brings the checkpoint dir into the state that the training starts from, and notes it for the publisher; see restore."""
    if ctx.attempt.get("checkpoints") is None:
        return None
    result = restore(ctx)
    baseline(ctx)
    return result


def restore(ctx: "Context") -> "Optional[ResumeResult]":
    """Claims LATEST for this attempt and restores. None: the training starts from the beginning. SetupError when a newer attempt has
    the run, when the store cannot be read (starting over would lose work), or when a checkpoint that was asked for is not good."""
    config = ctx.attempt["checkpoints"]
    store = ctx.stores[int(config["store"])]
    prefix = str(config["prefix"])
    latest = Latest(store, prefix, int(ctx.attempt["attempt"]), str(ctx.attempt["nonce"]))
    mode = config["resume"]["mode"]
    root = _checkpoint_dir(ctx, str(config["dir"]))
    given = [str(key) for key in config["resume"]["manifests"]]
    try:
        keys = [] if mode == "never" else given
        if mode == "auto":
            keys = _order(_retry(ctx, lambda: own_manifests(store, prefix)), given, prefix, _retry(ctx, latest.read)[1])
        for key in keys:
            ctx.check_cancelled()
            try:
                manifest = _manifest(ctx, store, key, key.startswith(prefix))
                base = {"attempt": manifest["attempt"], "seq": manifest["seq"], "manifest": key}
                _retry(ctx, lambda b=base: latest.claim(b, iso_now()))
                return _restore(ctx, store, key, manifest, root)
            except Rejected as error:
                ctx.emit({"type": "resume-rejected", "manifest": key, "reason": str(error)})
                if mode == "fixed":
                    raise SetupError(
                        "The checkpoint that was asked for cannot be resumed from",
                        "%s: %s" % (key, error),
                        [
                            "Name another checkpoint in checkpoints.resume",
                            'Use checkpoints.resume: "auto" for the newest good one',
                        ],
                    ) from None
        _retry(ctx, lambda: latest.claim(None, iso_now()))
        return None
    except Late as late:
        raise SetupError(
            "Attempt %d of this run has taken over" % late.claimed_by,
            "An older attempt must not train or publish any more",
            ["Nothing to do: the newer attempt goes on"],
        ) from None
    except StoreError as error:
        raise SetupError(
            "The run's checkpoints could not be read",
            "%s. Starting from the beginning instead would throw work away" % error,
            ["Check that this machine reaches the store", 'Use checkpoints.resume: "never" to start over on purpose'],
        ) from None


def own_manifests(store: "Any", prefix: str) -> "List[str]":
    """Keys of the run's manifests, newest (attempt, seq) first."""
    found: "List[Tuple[int, int, str]]" = []
    for key, _size in store.list(prefix):
        place = _place(key, prefix)
        if place is not None:
            found.append((place[0], place[1], key))
    return [key for _attempt, _seq, key in sorted(found, reverse=True)]


def _place(key: str, prefix: str) -> "Optional[Tuple[int, int]]":
    parts = key[len(prefix) :].split("/") if key.startswith(prefix) else []
    if len(parts) == 3 and parts[2] == "manifest.json" and parts[0].isdigit() and parts[1].isdigit():
        return int(parts[0]), int(parts[1])
    return None


def _order(own: "List[str]", given: "List[str]", prefix: str, record: "Optional[Dict[str, Any]]") -> "List[str]":
    """Newest first. What an attempt published after a newer one had taken over comes last; other runs' only when they were given."""
    known = list(own) + [key for key in given if key not in own and _place(key, prefix) is not None]
    claimed, base = 0, (0, 0)
    if record is not None and isinstance(record.get("claimedBy"), int):
        claimed = record["claimedBy"]
        started = record.get("base")
        if (
            isinstance(started, dict)
            and isinstance(started.get("attempt"), int)
            and isinstance(started.get("seq"), int)
        ):
            base = (started["attempt"], started["seq"])

    def late(key: str) -> bool:
        place = _place(key, prefix)
        return place is not None and place[0] < claimed and place > base

    known.sort(key=lambda key: _place(key, prefix) or (0, 0), reverse=True)
    return (
        [k for k in known if not late(k)]
        + [k for k in known if late(k)]
        + [k for k in given if _place(k, prefix) is None]
    )


def _retry(ctx: "Context", call: "Callable[[], T]") -> "T":
    pause = 0.5
    for attempt in range(TRIES):
        try:
            return call()
        except Missing:
            raise
        except StoreError:
            if attempt == TRIES - 1:
                raise
            ctx.cancelled.wait(pause)
            ctx.check_cancelled()
            pause *= 2
    raise AssertionError("unreachable")


def _checkpoint_dir(ctx: "Context", dir: str) -> str:
    root = os.path.join(ctx.work, dir)
    try:
        os.makedirs(root, exist_ok=True)
    except OSError as error:
        raise SetupError(
            "The checkpoint dir %s cannot be made" % dir,
            str(error.strerror or error),
            ["Choose another checkpoints.dir"],
        ) from None
    inside = os.path.realpath(ctx.work)
    if os.path.commonpath([os.path.realpath(root), inside]) != inside:
        raise SetupError(
            "The checkpoint dir %s leads outside the working folder" % dir,
            "A link in the project points there",
            ["Choose another checkpoints.dir"],
        )
    return root


def _manifest(ctx: "Context", store: "Any", key: str, own: bool) -> "Dict[str, Any]":
    try:
        value = json.loads(_retry(ctx, lambda: store.get_bytes(key)).decode("utf-8"))
    except Missing:
        raise Rejected("its manifest is missing") from None
    except ValueError:
        raise Rejected("its manifest is not JSON") from None
    if not isinstance(value, dict) or value.get("v") != 1:
        raise Rejected("its manifest is of an unknown version")
    if own and value.get("run") != ctx.attempt["runId"]:
        raise Rejected("it belongs to run %s" % value.get("run"))
    files = value.get("files")
    if (
        not isinstance(files, list)
        or not files
        or not isinstance(value.get("attempt"), int)
        or not isinstance(value.get("seq"), int)
    ):
        raise Rejected("its manifest is damaged")
    for item in files:
        if not (
            isinstance(item, dict)
            and is_plain(item.get("path"))
            and isinstance(item.get("size"), int)
            and _SHA.match(str(item.get("sha256")))
        ):
            raise Rejected("its manifest names a file that is not plain: %r" % (item,))
    path = value.get("path")
    if path != "." and not is_plain(path):
        raise Rejected("its manifest's path is not plain: %r" % (path,))
    if value.get("sha256") != list_digest([(item["path"], item["size"], item["sha256"]) for item in files]):
        raise Rejected("its manifest does not match its own digest")
    return value


def is_plain(path: "Any") -> bool:
    """A relative path that stays where it is put."""
    return (
        isinstance(path, str)
        and path != ""
        and "\0" not in path
        and not any(part in ("", ".", "..") for part in path.split("/"))
    )


def _restore(ctx: "Context", store: "Any", key: str, manifest: "Dict[str, Any]", root: str) -> ResumeResult:
    folder = key[: -len("manifest.json")]
    temporary = ctx.dir + "/restore"
    shutil.rmtree(temporary, ignore_errors=True)
    os.makedirs(temporary, mode=0o700)
    total = sum(item["size"] for item in manifest["files"])
    done = 0
    placed: "List[str]" = []
    try:
        for number, item in enumerate(manifest["files"]):
            ctx.check_cancelled()
            ctx.progress("checkpoint", done, total, "bytes", item["path"])
            _fetch(ctx, store, folder + "files/" + item["path"], item, root, "%s/%d" % (temporary, number))
            done += item["size"]
        for number, item in enumerate(manifest["files"]):
            _place_file("%s/%d" % (temporary, number), root, item["path"], placed)
        _trackers(manifest, root)
        _check_format(manifest, root)
    except Rejected:
        for path in placed:  # a script that looks for its newest file by itself must not find this one
            os.unlink(path)
        raise
    except OSError as error:
        raise SetupError(
            "The checkpoint could not be restored",
            "%s: %s" % (manifest["path"], error.strerror or error),
            ["Free space on the machine's disk, %d bytes are needed" % total],
        ) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    step = manifest.get("step")
    path = root if manifest["path"] == "." else os.path.join(root, manifest["path"])
    return ResumeResult(path, key, step if isinstance(step, (int, float)) else None)


def _fetch(ctx: "Context", store: "Any", key: str, item: "Dict[str, Any]", root: str, temporary: str) -> None:
    there = os.path.join(root, item["path"])
    if (
        not os.path.islink(there)
        and os.path.isfile(there)
        and os.path.getsize(there) == item["size"]
        and hash_file(there, ctx.cancelled.is_set)[0] == item["sha256"]
    ):
        return  # it survived on this machine's disk
    try:
        _retry(ctx, lambda: store.get_file(key, temporary))
    except Missing:
        raise Rejected("%s is missing in the store" % item["path"]) from None
    try:
        sha256, size = hash_file(temporary, ctx.cancelled.is_set)
    except InterruptedError:
        ctx.check_cancelled()
        raise
    if size != item["size"]:
        raise Rejected("%s has %d bytes instead of %d" % (item["path"], size, item["size"]))
    if sha256 != item["sha256"]:
        raise Rejected("%s is not what was published: its SHA-256 differs" % item["path"])


def _place_file(temporary: str, root: str, path: str, placed: "List[str]") -> None:
    if not os.path.exists(temporary):
        return
    target = os.path.join(root, path)
    folder = os.path.dirname(target)
    os.makedirs(folder, exist_ok=True)
    inside = os.path.realpath(root)
    if os.path.commonpath([os.path.realpath(folder), inside]) != inside:
        raise Rejected("%s would leave the checkpoint dir through a link" % path)
    if os.path.isdir(target) and not os.path.islink(target):
        raise Rejected("a folder is in the place of %s" % path)
    os.chmod(temporary, 0o644)
    try:
        os.replace(temporary, target)
    except OSError:
        shutil.move(temporary, target)  # another file system
    placed.append(target)


def _trackers(manifest: "Dict[str, Any]", root: str) -> None:
    """The small file beside a checkpoint from which DeepSpeed, Megatron and TensorFlow learn which one is newest."""
    path, format = str(manifest["path"]), manifest.get("format")
    folder, name = os.path.join(root, os.path.dirname(path)), os.path.basename(path)
    if format == "deepspeed" and path != ".":
        target, text = "latest", name
    elif format == "megatron":
        target, text = "latest_checkpointed_iteration.txt", str(int(name[5:])) if name.startswith("iter_") else name
    elif format == "tensorflow" and manifest.get("kind") == "file":
        target, text = "checkpoint", 'model_checkpoint_path: "%s"\nall_model_checkpoint_paths: "%s"\n' % (name, name)
    else:
        return
    target = os.path.join(folder, target)
    if os.path.islink(target):
        os.unlink(target)
    with open(target, "w", encoding="utf-8") as file:
        file.write(text)


def _check_format(manifest: "Dict[str, Any]", root: str) -> None:
    prints = look(root).prints
    for unit in find_units(prints):
        if unit.path == manifest["path"]:
            verdict = judge_unit(unit, open_tree(root, {path: found[2] for path, found in prints.items()}))
            if verdict.status == TORN:
                raise Rejected("it arrived as published and is torn: %s" % verdict.reason)


__all__ = ["ResumeResult", "is_plain", "own_manifests", "prepare"]

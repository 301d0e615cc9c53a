"""Brings the run's inputs into its working folder before the training starts."""

from __future__ import annotations

import errno
import json
import os

from ..context import SetupError
from ..progress import Progress
from ..store import Missing, StoreError
from .space import disk_full, free_bytes, require_space

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Set

    from ..context import Context
    from ..store import Store

LEDGER = "inputs.jsonl"
PARALLEL = 8
LARGE = 64 << 20
"""From here on a file is brought in pieces, so that it shows progress and can be cancelled."""
_PIECE = 4 << 20
_ATTEMPTS = 3
PAUSE = 0.2
"""Seconds; times four with every try."""


class _Item:
    __slots__ = ("store", "key", "size", "path", "source")

    def __init__(self, store: "Store", key: str, size: int, path: str, source: str) -> None:
        self.store = store
        self.key = key
        self.size = size
        self.path = path
        self.source = source


def fetch_inputs(ctx: "Context") -> None:
    """Brings every attempt["inputs"] object to work/<to>. A key ending in "/" is everything below it, else one object.

    One object goes to the file `to`, or into it when `to` ends in "/" or is a folder already. Files that this attempt brought before and
    that nobody touched are kept. SetupError: an input is missing, leaves the working folder, or does not fit. Cancelled on cancel.
    """
    inputs = ctx.attempt.get("inputs") or []
    if not inputs:
        return
    items: "List[_Item]" = []
    taken: "Dict[str, str]" = {}
    for entry in inputs:
        for item in _plan(ctx, entry):
            if taken.setdefault(item.path, item.source) != item.source:
                raise SetupError(
                    "two inputs go to %s" % os.path.relpath(item.path, ctx.work),
                    "%s and %s" % (taken[item.path], item.source),
                    ["give each input its own `to`"],
                )
            items.append(item)
    done = read_ledger(ctx)
    todo = [item for item in items if done.get(item.path) != _signature(item)]
    total = sum(item.size for item in todo)
    os.makedirs(ctx.work, exist_ok=True)
    require_space(ctx.work, total, len(todo), "the inputs")
    progress = Progress(ctx, "transfer", total, "bytes")
    try:
        _fetch_all(ctx, todo, progress, total)
    except OSError as error:
        # The ledger's own bytes may be the ones that no longer fit.
        if error.errno != errno.ENOSPC:
            raise
        raise disk_full(ctx.work, total, "the inputs") from error
    progress.finish()


def _fetch_all(ctx: "Context", todo: "List[_Item]", progress: Progress, total: int) -> None:
    from concurrent.futures import ThreadPoolExecutor  # not needed by most runs, and slow to import

    folders: "Set[str]" = set()
    with open(os.path.join(ctx.dir, LEDGER), "a", encoding="utf-8") as ledger:
        pool = ThreadPoolExecutor(PARALLEL, "runctl-inputs")
        running: "Dict[Any, _Item]" = {}
        try:
            for item in todo:
                folder = os.path.dirname(item.path)
                if folder not in folders:
                    _folder(ctx, folder, item.source)
                    folders.add(folder)
                while len(running) >= PARALLEL * 2:
                    _collect(ctx, running, ledger, progress, total)
                running[pool.submit(_fetch, ctx, item, progress)] = item
            while running:
                _collect(ctx, running, ledger, progress, total)
        finally:
            for future in running:
                future.cancel()
            pool.shutdown(wait=True)


def _collect(ctx: "Context", running: "Dict[Any, _Item]", ledger: "Any", progress: Progress, total: int) -> None:
    from concurrent.futures import FIRST_COMPLETED, wait

    finished, _ = wait(list(running), return_when=FIRST_COMPLETED)
    for future in finished:
        item = running.pop(future)
        try:
            future.result()
        except Missing:
            raise _missing(item.source) from None
        except (StoreError, OSError) as error:
            if free_bytes(ctx.work) < item.size or getattr(error, "errno", None) == 28:
                raise disk_full(ctx.work, total, "the inputs") from error
            raise SetupError(
                "the input %s could not be brought" % item.source,
                str(error),
                ["check the store and start the run again"],
            ) from error
        ledger.write(json.dumps([item.path, _signature(item)]) + "\n")
    ledger.flush()


def _missing(source: str) -> SetupError:
    return SetupError(
        "the input %s does not exist" % source,
        "the store has no such object, and nothing below it",
        ["check the input's `from`; a folder ends in a slash", "upload it first"],
    )


def _source(ctx: "Context", entry: "Dict[str, Any]") -> str:
    store = ctx.attempt["stores"][entry["store"]]
    root = store.get("access", {}).get("settings", {}).get("root")
    name = "%s%s" % (store.get("prefix", ""), entry["key"])
    return "%s/%s" % (root.rstrip("/"), name) if isinstance(root, str) else name


def _inside(ctx: "Context", relative: str, source: str) -> str:
    """The absolute path of `relative` in the working folder; links that the code brought are followed and must stay inside."""
    parts = [part for part in relative.split("/") if part not in ("", ".")]
    root = os.path.realpath(ctx.work)
    path = os.path.join(ctx.work, *parts)
    parent = os.path.realpath(os.path.dirname(path) if parts else path)
    bad = relative.startswith("/") or ".." in parts or "\0" in relative
    if bad or not (parent == root or parent.startswith(root + "/")):
        raise SetupError(
            "the input %s would be written outside the working folder" % source,
            "its place is %r" % relative,
            ["give a path inside the run's working folder, e.g. data/"],
        )
    return path


def _plan(ctx: "Context", entry: "Dict[str, Any]") -> "List[_Item]":
    store = ctx.stores[entry["store"]]
    key: str = entry["key"]
    to: str = entry["to"]
    source = _source(ctx, entry)
    target = _inside(ctx, to, source)
    try:
        if key and not key.endswith("/"):
            size = store.size(key)
            if size is None:
                raise _missing(source)
            if to.endswith("/") or to in ("", ".") or os.path.isdir(target):
                target = _inside(ctx, to + "/" + key.rsplit("/", 1)[-1], source)
            return [_Item(store, key, size, target, source)]
        items: "List[_Item]" = []
        seen = False
        for name, size in store.list(key):
            ctx.check_cancelled()
            seen = True
            relative = name[len(key) :]
            if not relative or relative.endswith("/"):
                continue  # a marker that some tools write for an empty folder
            if any(part in ("", ".", "..") for part in relative.split("/")):
                raise SetupError(
                    "the object %r below %s cannot be a file" % (relative, source),
                    "a part of its name is empty, '.' or '..'",
                    ["rename the object", "narrow the input to a folder without it"],
                )
            items.append(_Item(store, name, size, target + "/" + relative, source))
        if not seen:
            raise _missing(source)
        return items
    except StoreError as error:
        raise SetupError(
            "the input %s cannot be looked at" % source, str(error), ["check the store's access"]
        ) from error


def _folder(ctx: "Context", folder: str, source: str) -> None:
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise SetupError(
            "there is no place for the input %s" % source,
            "%s cannot be a folder: %s" % (os.path.relpath(folder, ctx.work), error.strerror),
            ["choose another `to`"],
        ) from error
    _inside(ctx, os.path.relpath(folder, ctx.work) + "/x", source)


def _fetch(ctx: "Context", item: _Item, progress: Progress) -> None:
    for attempt in range(1, _ATTEMPTS + 1):
        ctx.check_cancelled()
        try:
            if item.size < LARGE:
                item.store.get_file(item.key, item.path)
                progress.add(item.size, item.key)
            else:
                _pieces(ctx, item, progress)
            return
        except Missing:
            raise
        except StoreError:
            if attempt == _ATTEMPTS:
                raise
            ctx.cancelled.wait(PAUSE * 4**attempt)


def _pieces(ctx: "Context", item: _Item, progress: Progress) -> None:
    tmp = "%s.runctl-part" % item.path
    counted = 0
    try:
        with open(tmp, "wb", buffering=0) as out, item.store.open_range(item.key, 0, item.size) as reader:
            while counted < item.size:
                ctx.check_cancelled()
                piece = reader.read(_PIECE)
                if not piece:
                    raise StoreError("%s ended after %d of %d bytes" % (item.key, counted, item.size))
                view = memoryview(piece)
                while view:
                    view = view[out.write(view) :]
                counted += len(piece)
                progress.add(len(piece), item.key)
        os.rename(tmp, item.path)
    except BaseException:
        progress.add(-counted)
        try:
            os.unlink(tmp)
        except OSError:
            pass
        raise


def _signature(item: _Item) -> "List[Any]":
    """What was brought from where, and how the file looked then: any later change of either asks for it again."""
    try:
        found = os.stat(item.path)
    except OSError:
        return []
    return [item.source, item.key, item.size, found.st_size, found.st_mtime_ns, found.st_ino]


def read_ledger(ctx: "Context") -> "Dict[str, List[Any]]":
    """What this attempt has brought: absolute path -> signature."""
    done: "Dict[str, List[Any]]" = {}
    try:
        with open(os.path.join(ctx.dir, LEDGER), encoding="utf-8") as file:
            for line in file:
                try:
                    path, signature = json.loads(line)
                    done[path] = signature
                except ValueError:
                    continue  # the line that a kill cut short
    except OSError:
        pass
    return done

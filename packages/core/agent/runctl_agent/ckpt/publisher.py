"""Publishes finished checkpoints while the training goes on: find, take, hash, upload, manifest, LATEST.

Two threads: one looks into the checkpoint dir and takes finished saves (a hard link, so the script may delete its own), one uploads.
What lies in the checkpoint dir before the training starts (the restored save, staged files) is not published: resume.prepare notes it,
or, without that, the constructor."""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
import time

from ..records import iso_now, read_record, write_record
from ..store import Conflict, StoreError
from .candidates import Stability, Writers, look
from .formats import COMPLETE, RANKED, UNKNOWN, judge_unit, open_tree
from .hashing import hash_file, list_digest
from .latest import Late, Latest
from .layout import find_units
from .pace import Pace
from .snapshot import Changed, Snapshot, recover, take

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Set, Tuple

    from ..context import Context
    from .candidates import Listing, Print
    from .layout import Unit

# Two looks prove rest. Formats without an end mark get more, and a longer quiet time (seconds).
TICKS, TICKS_UNPROVEN, QUIET_UNPROVEN = 2, 4, 2.0
STABLE_BUT_INVALID = 60.0
SETTLE_AT_END = 30.0
RETRY_CAP = 30.0
RETRIES_AT_END = 5


class Publisher:
    """See the module. Thread-safe; `stop` may be called once."""

    def __init__(self, ctx: "Context", restored: "Optional[str]" = None) -> None:
        del restored  # known by its bytes: see baseline
        self._ctx = ctx
        self._config: "Optional[Dict[str, Any]]" = ctx.attempt.get("checkpoints")
        self._lock = threading.Condition()
        self._halt = threading.Event()
        self._pending: "List[Snapshot]" = []
        self._current: "Optional[Snapshot]" = None
        self._threads: "List[threading.Thread]" = []
        self._late: "Optional[Late]" = None
        self._abandon = False
        self._newest_first = False
        self._ending = False
        self._failures: "Dict[int, str]" = {}
        self._metrics: "Dict[str, float]" = {}
        self._said: "Set[str]" = set()
        self.published = 0
        self.newest: "Optional[str]" = None
        self.newest_step: "Optional[float]" = None
        self.uploading: "Optional[str]" = None
        self.save_seconds: "Optional[float]" = None
        if self._config is None:
            return
        attempt = int(ctx.attempt["attempt"])
        self._attempt = attempt
        self._nonce = str(ctx.attempt["nonce"])
        self._prefix = str(self._config["prefix"])
        self._store = ctx.stores[int(self._config["store"])]
        self._root = os.path.join(ctx.work, str(self._config["dir"]))
        self._snap = ctx.dir + "/snap"
        self._record = ctx.dir + "/publish.json"
        self._latest = Latest(self._store, self._prefix, attempt, self._nonce)
        self._stability = Stability()
        self._folders: "Dict[str, int]" = {}
        self._writers = Writers()
        self._rewritten: "Set[str]" = set()
        self._generation = 0
        self._listing: "Optional[Dict[str, Print]]" = None
        self._units: "List[Unit]" = []
        self._verdicts: "Dict[str, Tuple[int, Any]]" = {}
        self._settled: "Dict[str, str]" = {}
        self._invalid: "Dict[str, Tuple[str, str, float]]" = {}
        self._worlds: "Dict[str, int]" = {}
        self._known: "Dict[str, str]" = {}
        self._finished: "Dict[str, str]" = {}
        self._seq = 0
        self._load()

    # Before and after a restart of the supervisor

    def _load(self) -> None:
        record = read_record(self._record)
        if record is None:
            record = baseline(self._ctx)
        self._finished = {str(k): str(v) for k, v in record.get("finished", {}).items()}
        self._known = dict(self._finished)
        self._seq = int(record.get("seq", 0))
        self.published = int(record.get("published", 0))
        self.newest = record.get("newest")
        self.newest_step = record.get("newestStep")
        for snapshot in recover(self._snap):
            self._seq = max(self._seq, snapshot.seq)
            self._known[snapshot.facts["path"]] = snapshot.facts["print"]
            self._pending.append(snapshot)

    def _save(self) -> None:
        value = {
            "finished": self._finished,
            "seq": self._seq,
            "published": self.published,
            "newest": self.newest,
            "newestStep": self.newest_step,
        }
        try:
            write_record(self._record, value, durable=False)
        except OSError as error:
            self._say("the publisher's own record could not be written: %s" % (error.strerror or error))

    def _say(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self._ctx.decision(text)

    # Life

    def start(self) -> None:
        """Starts looking and uploading."""
        if self._config is None or self._threads:
            return
        for name, target in (("runctl-checkpoints", self._look_loop), ("runctl-upload", self._upload_loop)):
            thread = threading.Thread(target=target, name=name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def note_metrics(self, metrics: "Dict[str, float]") -> None:
        """The newest metrics the job printed; they go into the manifests of saves taken from now on."""
        with self._lock:
            self._metrics.update(metrics)

    def stop(self, deadline_uptime: "Optional[float]" = None) -> "List[str]":
        """Call it when the training has ended: takes what was finished, uploads it (the newest first when there is a deadline, in
        seconds of ctx.uptime()), tells what was lost, one text each. Saves that a newer one of the same name made needless are not lost."""
        if self._config is None:
            return []
        self._halt.set()
        self.start()
        self._threads[0].join()
        with self._lock:
            self._newest_first = deadline_uptime is not None
        unsettled = self._settle(deadline_uptime)
        with self._lock:
            self._ending = True
            self._lock.notify_all()
            while (self._pending or self._current is not None) and self._late is None:
                left = None if deadline_uptime is None else deadline_uptime - self._ctx.uptime()
                if left is not None and left <= 0:
                    break
                self._lock.wait(5.0 if left is None else min(left, 5.0))
            self._abandon = True
            self._lock.notify_all()
            lost = [self._lost_text(s, self._failures.get(s.seq)) for s in self._pending]
            if self._current is not None:
                lost.append(
                    self._lost_text(
                        self._current,
                        self._failures.get(self._current.seq) or "the time was over before its upload was",
                    )
                )
            lost.extend(reason for seq, reason in sorted(self._failures.items()) if seq < 0)
        lost.extend("checkpoint %s: it was still being written when the time was over" % path for path in unsettled)
        for path, (reason, _print, _since) in sorted(self._invalid.items()):
            self._reject(path, reason)
        return lost

    def _lost_text(self, snapshot: Snapshot, why: "Optional[str]") -> str:
        reason = str(self._late) if self._late is not None else why or "the time was over before its upload began"
        return "checkpoint %s (%d bytes): %s" % (snapshot.facts["path"], snapshot.size, reason)

    # Looking

    def _look_loop(self) -> None:
        pace = Pace()
        while not self._halt.wait(pace.pause):
            began = time.monotonic()
            if pace.due(began, self._root, self._folders):
                waiting = self._guarded_look(False)
                now = time.monotonic()
                pace.looked(now, now - began, bool(waiting))
            else:
                pace.checked(began, time.monotonic() - began)

    def _guarded_look(self, final: bool) -> "List[str]":
        try:
            return self.look(final)
        except Exception as error:  # one odd file must not end the saving of all others
            self._say("looking for checkpoints failed: %s: %s" % (type(error).__name__, error))
            return []

    def _settle(self, deadline: "Optional[float]") -> "List[str]":
        end = self._ctx.uptime() + SETTLE_AT_END
        if deadline is not None:
            end = min(end, deadline)
        unsettled = self._guarded_look(True)
        waiter = threading.Event()
        pause = 0.05
        while unsettled and self._ctx.uptime() < end:
            waiter.wait(pause)
            pause = min(pause * 1.5, 0.5)
            unsettled = self._guarded_look(True)
        return unsettled

    def look(self, final: bool) -> "List[str]":
        """One look. Takes what has come to rest; returns the paths that have not. `final`: the training has ended."""
        if self._late is not None:
            return []
        listing = look(self._root)
        for path in listing.odd:
            self._reject(path.encode("utf-8", "backslashreplace").decode("utf-8"), "its name is not UTF-8")
        self._folders = listing.folders
        self._stability.update(listing.prints, self._ctx.uptime())
        prints = listing.prints
        if self._listing is None or prints != self._listing:
            self._generation += 1
            if self._listing is None or prints.keys() != self._listing.keys():
                self._units = find_units(prints)
            self._listing = prints
        waiting: "List[str]" = []
        rested: "List[Tuple[Unit, str]]" = []
        alive: "Set[str]" = set()
        for unit in self._units:
            alive.add(unit.path)
            seal = _print_of(unit, prints)
            if self._known.get(unit.path) == seal:
                continue
            if self._stability.ticks(unit.files) < TICKS:
                waiting.append(unit.path)
            else:
                rested.append((unit, seal))
        for path in [path for path in self._invalid if path not in alive]:
            del self._invalid[path]
        ready = self._judge(listing, rested, final, waiting) if rested else []
        self._take(ready, prints)
        return waiting

    def _judge(
        self, listing: "Listing", rested: "List[Tuple[Unit, str]]", final: bool, waiting: "List[str]"
    ) -> "List[Tuple[Unit, str, Any]]":
        prints = listing.prints
        unjudged = [
            (unit, seal) for unit, seal in rested if self._verdicts.get(unit.path, (-1, None))[0] != self._generation
        ]
        busy: "Set[Tuple[int, int]]" = set()
        if unjudged:
            _known, busy = self._writers.open_files(
                {prints[path][:2] for unit, _seal in unjudged for path in unit.files}
            )
        tree = open_tree(self._root, listing.sizes())
        ready = []
        for unit, seal in rested:
            cached = self._verdicts.get(unit.path)
            if cached is not None and cached[0] == self._generation:
                verdict = cached[1]
            elif any(prints[path][:2] in busy for path in unit.files):
                waiting.append(unit.path)
                continue
            else:
                verdict = judge_unit(unit, tree, self._expected(unit.format))
                self._verdicts[unit.path] = (self._generation, verdict)
            if verdict.status not in (COMPLETE, UNKNOWN):
                self._note_invalid(unit.path, verdict.reason or verdict.status, seal)
                continue
            if verdict.status == UNKNOWN:
                if final and self._settled.get(unit.path) != seal and self._writer_was_killed():
                    self._note_invalid(
                        unit.path, "its writer was killed and its format cannot show whether it is whole", seal
                    )
                    continue
                self._settled[unit.path] = seal
                quiet = self._ctx.uptime() - self._stability.since(unit.files)
                if not final and (self._stability.ticks(unit.files) < TICKS_UNPROVEN or quiet < QUIET_UNPROVEN):
                    waiting.append(unit.path)
                    continue
            self._invalid.pop(unit.path, None)
            ready.append((unit, seal, verdict))
        return ready

    def _expected(self, format: str) -> "Optional[int]":
        seen = self._worlds.get(format)
        if seen is not None:
            return seen
        shape = self._ctx.attempt.get("distributed")
        if shape is not None and format in RANKED and isinstance(shape.get("processesPerNode"), int):
            return int(shape["nodes"]) * int(shape["processesPerNode"])
        return None

    def _writer_was_killed(self) -> bool:
        record = read_record(self._ctx.dir + "/exit.json")
        return record is None or record.get("signal") is not None

    def _note_invalid(self, path: str, reason: str, seal: str) -> None:
        now = self._ctx.uptime()
        before = self._invalid.get(path)
        if before is None or before[:2] != (reason, seal):
            self._invalid[path] = (reason, seal, now)
        elif now - before[2] >= STABLE_BUT_INVALID:
            self._reject(path, reason)

    def _reject(self, path: str, reason: str) -> None:
        key = "%s\0%s" % (path, reason)
        if key not in self._said:
            self._said.add(key)
            self._ctx.emit({"type": "checkpoint-rejected", "path": path, "reason": reason})

    def _take(self, ready: "List[Tuple[Unit, str, Any]]", prints: "Dict[str, Print]") -> None:
        ready.sort(key=lambda item: (max(prints[path][3] for path in item[0].files), item[2].step or 0, item[0].path))
        newest = {_series(item[0].path): item for item in ready}
        for item in ready:
            unit, seal, verdict = item
            if newest[_series(unit.path)] is not item:
                self._known[unit.path] = seal  # a newer one of its kind was found in the same look
                continue
            facts = {
                "path": unit.path,
                "kind": unit.kind,
                "format": verdict.format,
                "grade": "verified" if verdict.status == COMPLETE else "sealed",
                "step": verdict.step,
                "worldSize": verdict.world,
                "print": seal,
                "createdAt": iso_now(),
                "metrics": dict(self._metrics),
            }
            chosen = {path: prints[path] for path in unit.files}
            try:
                snapshot = take(
                    self._root,
                    "%s/%06d" % (self._snap, self._seq + 1),
                    self._seq + 1,
                    facts,
                    chosen,
                    self._is_rewritten,
                )
            except Changed:
                self._rewritten.update(unit.files)
                continue
            except OSError as error:
                self._say("checkpoint %s could not be taken: %s" % (unit.path, error.strerror or error))
                continue
            if verdict.world is not None:
                self._worlds[verdict.format] = verdict.world
            self._known[unit.path] = seal
            with self._lock:
                self._seq += 1
                for older in [s for s in self._pending if _series(s.facts["path"]) == _series(unit.path)]:
                    self._pending.remove(older)
                    older.drop()
                self._pending.append(snapshot)
                self._lock.notify_all()

    def _is_rewritten(self, path: str) -> bool:
        return path in self._rewritten or path in self._stability.rewritten

    # Uploading

    def _upload_loop(self) -> None:
        failures = failures_at_end = 0
        while True:
            with self._lock:
                while not self._pending and not self._abandon:
                    self._lock.wait()
                if self._abandon:
                    return
                self._current = snapshot = self._pending.pop(-1 if self._newest_first else 0)
            self.uploading = snapshot.facts["path"]
            again = False
            try:
                self._publish(snapshot)
                failures = 0
            except Late as late:
                self._late = late
                self._failures[-snapshot.seq] = self._lost_text(snapshot, None)
                snapshot.drop()
                self._say("publishing stopped: %s" % late)
            except Changed:
                self._rewritten.update(snapshot.prints)
                self._known.pop(snapshot.facts["path"], None)
                snapshot.drop()
                if self._ending:
                    self._failures[-snapshot.seq] = "checkpoint %s (%d bytes): it was changed while it was uploaded" % (
                        snapshot.facts["path"],
                        snapshot.size,
                    )
            except InterruptedError:
                again = True
            except (StoreError, OSError) as error:
                failures += 1
                if self._ending:
                    failures_at_end += 1
                    failures = failures_at_end  # a short pause again: there may be little time
                text = str(error)
                self._failures[snapshot.seq] = text
                self._say("checkpoint %s could not be uploaded: %s" % (snapshot.facts["path"], text))
                again = True
            self.uploading = None
            with self._lock:
                self._current = None
                newer = any(_series(s.facts["path"]) == _series(snapshot.facts["path"]) for s in self._pending)
                if again and newer:
                    snapshot.drop()  # a newer one of its kind waits: no use in trying the old one again
                elif again and self._ending and failures_at_end >= RETRIES_AT_END:
                    self._failures[-snapshot.seq] = self._lost_text(snapshot, self._failures.get(snapshot.seq))
                elif again:
                    self._pending.append(snapshot)
                    self._pending.sort(key=lambda s: s.seq)
                self._lock.notify_all()
                if self._late is not None:
                    return
                if again and not self._abandon:
                    self._lock.wait(min(RETRY_CAP, 0.25 * 2 ** min(failures, 10)))

    def _stopped(self) -> bool:
        return self._abandon

    def _publish(self, snapshot: Snapshot) -> None:
        began = self._ctx.uptime()
        self._latest.check()
        facts = snapshot.facts
        folder = "%s%d/%06d/" % (self._prefix, self._attempt, snapshot.seq)
        files: "List[Tuple[str, int, str]]" = []
        for path in sorted(snapshot.prints, key=lambda p: p.encode("utf-8")):
            snapshot.check(path)
            sha256, size = hash_file(snapshot.file(path), self._stopped)
            if size != snapshot.prints[path][2]:
                raise Changed(path)
            snapshot.check(path)
            key = folder + "files/" + path
            self._store.put_file(key, snapshot.file(path))
            snapshot.check(path)
            if self._store.size(key) != size:
                raise StoreError("the store holds %s bytes of %s instead of %d" % (self._store.size(key), key, size))
            files.append((path, size, sha256))
            if self._abandon:
                raise InterruptedError()
        manifest = {
            "v": 1,
            "run": self._ctx.attempt["runId"],
            "attempt": self._attempt,
            "seq": snapshot.seq,
            "path": facts["path"],
            "kind": facts["kind"],
            "step": facts["step"],
            "format": facts["format"],
            "grade": facts["grade"],
            "files": [{"path": path, "size": size, "sha256": sha256} for path, size, sha256 in files],
            "sizeBytes": sum(size for _path, size, _sha in files),
            "sha256": list_digest(files),
            "nonce": self._nonce,
            "createdAt": facts["createdAt"],
            "worldSize": facts["worldSize"],
            "metrics": facts["metrics"],
        }
        key = folder + "manifest.json"
        known = self._put_manifest(key, manifest)
        self.save_seconds = self._ctx.uptime() - began
        self._latest.move(snapshot.seq, key, iso_now())
        if not (known and self._was_told(key)):
            self._ctx.emit({"type": "checkpoint-published", "manifest": key})
        with self._lock:
            self.published += 1
            self._finished[facts["path"]] = facts["print"]
            self._failures.pop(snapshot.seq, None)
            if self.newest is None or key > self.newest:
                self.newest, self.newest_step = key, facts["step"]
            self._save()
        snapshot.drop()

    def _put_manifest(self, key: str, manifest: "Dict[str, Any]") -> bool:
        """True when it was there already: our own earlier write had arrived."""
        data = json.dumps(manifest, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
        try:
            self._store.put_bytes(key, data, create_only=True)
            return False
        except Conflict:
            try:
                there = json.loads(self._store.get_bytes(key).decode("utf-8"))
            except ValueError:
                there = {}
            if there.get("nonce") == self._nonce and there.get("sha256") == manifest["sha256"]:
                return True
            raise Changed(key) from None

    def _was_told(self, key: str) -> bool:
        try:
            with open(self._ctx.dir + "/events.jsonl", "rb") as file:
                return any(json.dumps(key).encode("utf-8") in line for line in file)
        except OSError:
            return False


def baseline(ctx: "Context") -> "Dict[str, Any]":
    """Notes what lies in the checkpoint dir before the training starts, and is therefore not the training's work. Done once."""
    path = ctx.dir + "/publish.json"
    record = read_record(path)
    if record is None:
        prints = look(os.path.join(ctx.work, str(ctx.attempt["checkpoints"]["dir"]))).prints
        record = {
            "finished": {unit.path: _print_of(unit, prints) for unit in find_units(prints)},
            "seq": 0,
            "published": 0,
        }
        write_record(path, record, durable=False)
    return record


# Numbers that tell different things apart rather than older from newer.
_MEMBER = re.compile(r"((?:rank|seed|fold|shard|part|member|worker|gpu|device)[-_=]?[0-9]+)|[0-9]+", re.I)


def _series(path: str) -> str:
    """epoch-3.pt and epoch-4.pt are one series; best.pt is another, and so are fold1/best.pt and fold2/best.pt, rank0.pt and rank1.pt."""
    folder, _, name = path.rpartition("/")
    return folder + "/" + _MEMBER.sub(lambda found: found.group(1) or "#", name)


def _print_of(unit: "Unit", prints: "Dict[str, Print]") -> str:
    digest = hashlib.sha256()
    for path in unit.files:
        digest.update(repr((path, prints[path])).encode("utf-8"))
    return digest.hexdigest()

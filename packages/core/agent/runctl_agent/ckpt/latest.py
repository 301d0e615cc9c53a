"""LATEST: which checkpoint is newest and which attempt may say so. A hint and a claim; manifests are the truth.

Versions are objects `LATEST.<n, 10 digits>` made create-only, the highest counts: that is compare-and-swap on any store that can
create without replacing. Old ones are left to whoever prunes; a host needs no right to delete."""

from __future__ import annotations

import json

from ..store import Conflict, Missing, StoreError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional, Tuple

    from ..store import Store


class Late(Exception):
    """A newer attempt has claimed the run: this one must not publish any more."""

    def __init__(self, claimed_by: int) -> None:
        super().__init__("attempt %d has taken over" % claimed_by)
        self.claimed_by = claimed_by


class Latest:
    """The LATEST record below a prefix such as "runs/r1/ckpt/"."""

    def __init__(self, store: "Store", prefix: str, attempt: int, nonce: str) -> None:
        self._store = store
        self._prefix = prefix + "LATEST."
        self._attempt = attempt
        self._nonce = nonce

    def read(self) -> "Tuple[int, Optional[Dict[str, Any]]]":
        """(version, record); (0, None) when there is none. A record that cannot be parsed still counts as a version."""
        number, record = 0, None
        for key, _size in self._store.list(self._prefix):
            digits = key[len(self._prefix) :]
            if len(digits) != 10 or not digits.isdigit() or int(digits) <= number:
                continue
            number = int(digits)
            record = key
        if record is None:
            return 0, None
        try:
            value = json.loads(self._store.get_bytes(record).decode("utf-8"))
        except Missing:
            return self.read()  # pruned between list and get: a newer one is there
        except ValueError:
            return number, None
        return number, value if isinstance(value, dict) else None

    def check(self) -> "Tuple[int, Optional[Dict[str, Any]]]":
        """Like read. Late when a newer attempt has claimed."""
        number, record = self.read()
        claimed = _int(record, "claimedBy")
        if claimed > self._attempt:
            raise Late(claimed)
        return number, record

    def claim(self, base: "Optional[Dict[str, Any]]", at: str) -> None:
        """This attempt takes the run over, starting from `base` ({attempt, seq, manifest}) or from nothing. Late, StoreError."""
        self._swap(lambda now: _record(now, {"claimedBy": self._attempt, "base": base}), at)

    def move(self, seq: int, manifest: str, at: str) -> bool:
        """Points LATEST at this attempt's save, unless it points at a later one of ours already (False). Late, StoreError."""

        def change(now: "Optional[Dict[str, Any]]") -> "Optional[Dict[str, Any]]":
            if _int(now, "attempt") == self._attempt and _int(now, "seq") >= seq:
                return None
            return _record(
                now,
                {
                    "attempt": self._attempt,
                    "seq": seq,
                    "manifest": manifest,
                    "claimedBy": max(self._attempt, _int(now, "claimedBy")),
                },
            )

        return self._swap(change, at)

    def _swap(self, change: "Any", at: str) -> bool:
        failure: "Optional[StoreError]" = None
        for _ in range(100):
            number, now = self.check()
            if now is not None and now.get("nonce") == self._nonce and failure is not None and _same(change(now), now):
                return True  # the write that seemed to fail had arrived
            wanted = change(now)
            if wanted is None:
                return False
            wanted.update(v=1, n=number + 1, nonce=self._nonce, at=at)
            try:
                self._store.put_bytes(
                    "%s%010d" % (self._prefix, number + 1),
                    json.dumps(wanted, separators=(",", ":")).encode("utf-8"),
                    create_only=True,
                )
                return True
            except Conflict as error:
                failure = error
            except StoreError as error:
                # The outcome is unknown: look again, once.
                if failure is not None and not isinstance(failure, Conflict):
                    raise
                failure = error
        raise StoreError("LATEST kept changing under our hands")


def _same(wanted: "Optional[Dict[str, Any]]", now: "Dict[str, Any]") -> bool:
    return wanted is None or all(now.get(key) == value for key, value in wanted.items() if key not in ("n", "at"))


def _record(now: "Optional[Dict[str, Any]]", changes: "Dict[str, Any]") -> "Dict[str, Any]":
    kept = (
        {key: now.get(key) for key in ("attempt", "seq", "manifest", "claimedBy", "base")}
        if now is not None
        else {"attempt": None, "seq": None, "manifest": None, "base": None}
    )
    kept.update(changes)
    return kept


def _int(record: "Optional[Dict[str, Any]]", key: str) -> int:
    value = record.get(key) if record is not None else None
    return value if isinstance(value, int) and not isinstance(value, bool) else 0

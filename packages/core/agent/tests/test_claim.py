"""The claim: two machines never train one attempt, and a network that stutters costs nobody his."""

from __future__ import annotations

import json
import unittest
from typing import List
from unittest import mock

from runctl_agent.context import Cancelled
from runctl_agent.setup import prepare
from runctl_agent.store import FileStore, StoreError

from .support import Case


class Stutters(FileStore):
    """Fails as often as told, before or after it has done its work."""

    def __init__(self, root: str, failures: "List[str]") -> None:
        super().__init__(root, "")
        self.failures = failures

    def put_bytes(self, key: str, data: bytes, create_only: bool = False) -> None:
        failure = self.failures.pop(0) if self.failures else ""
        if failure != "before":
            super().put_bytes(key, data, create_only)
        if failure:
            raise StoreError("the network is down")


class ClaimTest(Case):
    KEY = "runs/r1/attempts/1/claim"

    def test_an_answer_that_was_lost_is_asked_for_again(self) -> None:
        for failures in (["before"], ["after"], ["before", "after", "after"]):
            attempt = self.new()
            attempt.store = Stutters(attempt.root, failures)
            with mock.patch.object(prepare, "PAUSE", 0.001):
                prepare.claim(attempt.context())
            self.assertEqual(json.loads(attempt.store.get_bytes(self.KEY))["nonce"], attempt.attempt["nonce"])
            attempt.store.delete(self.KEY)

    def test_another_one_s_claim_is_never_taken_for_ours(self) -> None:
        attempt = self.new()
        attempt.store.put_bytes(self.KEY, b'{"machine": "x", "nonce": "theirs"}')
        attempt.store = Stutters(attempt.root, ["before"])
        with mock.patch.object(prepare, "PAUSE", 0.001), self.assertRaises(prepare.Refused) as caught:
            prepare.claim(attempt.context())
        self.assertEqual(caught.exception.cause, "claim-lost")

    def test_a_store_that_stays_away_ends_setup_and_a_cancel_ends_the_wait(self) -> None:
        attempt = self.new()
        attempt.store = Stutters(attempt.root, ["before"] * 4)
        with mock.patch.object(prepare, "PAUSE", 0.001), self.assertRaises(StoreError):
            prepare.claim(attempt.context())
        attempt.store.failures = ["before"]
        attempt.cancelled.set()
        with self.assertRaises(Cancelled):
            prepare.claim(attempt.context())


if __name__ == "__main__":
    unittest.main()

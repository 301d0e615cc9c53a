"""Claiming a run and bringing its newest good checkpoint back."""

from __future__ import annotations

import json
import os
import unittest
from typing import Any, List

from runctl_agent.ckpt import resume
from runctl_agent.ckpt.hashing import list_digest
from runctl_agent.ckpt.publisher import Publisher
from runctl_agent.context import Cancelled, SetupError
from runctl_agent.store import StoreError

from .checkpoint_fixtures import cut, torch_zip
from .checkpoint_support import PREFIX, CheckpointCase
from .support import Attempt


class Resuming(CheckpointCase):
    def published(self, epochs: int, number: int = 1) -> Attempt:
        """An attempt that published some epochs."""
        attempt = self.attempt(number)
        publisher = Publisher(attempt.context())
        self.publishers.append(publisher)
        for epoch in range(1, epochs + 1):
            torch_zip("%s/epoch-%d.pt" % (self.folder(attempt), epoch))
            publisher.look(False)
            publisher.look(False)
            publisher._current = publisher._pending.pop()
            publisher._publish(publisher._current)
            publisher._current = None
        self.assertEqual(publisher.published, epochs)
        return attempt

    def file_of(self, attempt: int, seq: int, name: str) -> str:
        return os.path.join(self.store.root, PREFIX, str(attempt), "%06d" % seq, "files", name)

    def key(self, attempt: int, seq: int) -> str:
        return "%s%d/%06d/manifest.json" % (PREFIX, attempt, seq)

    def rejections(self, attempt: Attempt) -> "List[Any]":
        return [(e["manifest"], e["reason"]) for e in attempt.events if e["type"] == "resume-rejected"]

    def test_the_newest_is_restored_and_not_published_again(self) -> None:
        self.published(3)
        attempt = self.attempt(2)
        result = resume.prepare(attempt.context())
        assert result is not None
        self.assertEqual(
            (result.path, result.manifest_key, result.step), (self.folder(attempt) + "/epoch-3.pt", self.key(1, 3), 3)
        )
        self.assertEqual((self.latest()["claimedBy"], self.latest()["base"]["seq"]), (2, 3))
        publisher = self.publisher(attempt)
        self.exited(attempt)
        self.assertEqual((publisher.stop(None), publisher.published), ([], 0))
        self.assertFalse(os.path.exists(attempt.dir + "/restore"))

    def test_P25_falls_back_one_by_one_with_reasons(self) -> None:
        self.published(4)
        with open(self.file_of(1, 4, "epoch-4.pt"), "r+b") as file:
            file.write(b"damaged on its way")
        cut(self.file_of(1, 3, "epoch-3.pt"))
        os.unlink(self.file_of(1, 2, "epoch-2.pt"))
        attempt = self.attempt(2)
        result = resume.prepare(attempt.context())
        assert result is not None
        self.assertEqual(result.manifest_key, self.key(1, 1))
        reasons = self.rejections(attempt)
        self.assertEqual([key for key, _reason in reasons], [self.key(1, 4), self.key(1, 3), self.key(1, 2)])
        for (_key, reason), part in zip(reasons, ("SHA-256", "bytes instead of", "missing in the store")):
            self.assertIn(part, reason)
        self.assertEqual(self.latest()["base"]["seq"], 1)
        self.assertEqual(sorted(os.listdir(self.folder(attempt))), ["epoch-1.pt"])

    def test_P25_nothing_good_starts_from_the_beginning(self) -> None:
        self.published(1)
        cut(self.file_of(1, 1, "epoch-1.pt"))
        attempt = self.attempt(2)
        self.assertIsNone(resume.prepare(attempt.context()))
        self.assertEqual(
            (len(self.rejections(attempt)), self.latest()["claimedBy"], self.latest()["base"]), (1, 2, None)
        )

    def test_modes(self) -> None:
        self.published(2)
        self.assertIsNone(resume.prepare(self.attempt(2, "never").context()))
        fixed = resume.prepare(self.attempt(3, "fixed", [self.key(1, 1)]).context())
        assert fixed is not None
        self.assertEqual(fixed.step, 1)
        cut(self.file_of(1, 1, "epoch-1.pt"))
        with self.assertRaises(SetupError) as caught:
            resume.prepare(self.attempt(4, "fixed", [self.key(1, 1)]).context())
        self.assertIn("epoch-1.pt", caught.exception.why)
        self.assertIsNone(resume.prepare(self.new().context()))

    def test_P27_an_older_attempt_may_not_resume(self) -> None:
        self.published(1)
        resume.prepare(self.attempt(3).context())
        with self.assertRaises(SetupError) as caught:
            resume.prepare(self.attempt(2).context())
        self.assertIn("3", caught.exception.what)
        self.assertEqual(self.latest()["claimedBy"], 3)

    def test_P27_what_came_after_the_takeover_is_last(self) -> None:
        old = self.published(2)
        resume.prepare(self.attempt(2).context())
        # The zombie's manifest arrived although its LATEST could not.
        for seq in (3,):
            folder = os.path.join(self.store.root, PREFIX, "1")
            os.makedirs("%s/%06d/files" % (folder, seq))
            os.link(self.file_of(1, 2, "epoch-2.pt"), self.file_of(1, seq, "epoch-2.pt"))
            manifest = self.manifests()[1]
            manifest["seq"] = seq
            self.store.put_bytes(self.key(1, seq), json.dumps(manifest).encode())
        self.assertEqual(old.attempt["attempt"], 1)
        result = resume.prepare(self.attempt(3).context())
        assert result is not None
        self.assertEqual(result.manifest_key, self.key(1, 2))
        os.unlink(self.file_of(1, 2, "epoch-2.pt"))
        os.unlink(self.file_of(1, 1, "epoch-1.pt"))
        result = resume.prepare(self.attempt(4).context())
        assert result is not None
        self.assertEqual(result.manifest_key, self.key(1, 3))

    def hostile(self, **changes: Any) -> str:
        """A manifest that somebody else wrote."""
        self.published(1)
        [manifest] = self.manifests()
        manifest.update(changes, seq=2)
        files = [(f["path"], f["size"], f["sha256"]) for f in manifest["files"] if isinstance(f["path"], str)]
        if "sha256" not in changes:
            manifest["sha256"] = list_digest(files)
        self.store.put_bytes(self.key(1, 2), json.dumps(manifest).encode())
        attempt = self.attempt(2)
        result = resume.prepare(attempt.context())
        assert result is not None
        self.assertEqual(result.manifest_key, self.key(1, 1))
        [(key, reason)] = self.rejections(attempt)
        self.assertEqual(key, self.key(1, 2))
        return str(reason)

    def test_another_runs_checkpoint_is_refused(self) -> None:
        self.assertIn("belongs to run r2", self.hostile(run="r2"))

    def test_a_path_that_leads_out_is_refused(self) -> None:
        for number, path in enumerate(("../../evil", "/etc/cron.d/evil", "a/../../b", "")):
            with self.subTest(path=path):
                self.assertIn("not plain", self.hostile(files=[{"path": path, "size": 1, "sha256": "0" * 64}]))
            self.base = os.path.join(self.base, str(number))
            os.makedirs(self.base + "/store")
            self.store = type(self.store)(self.base + "/store")

    def test_a_manifest_that_was_changed_is_refused(self) -> None:
        self.assertIn("own digest", self.hostile(sha256="0" * 64))

    def test_a_link_in_the_project_cannot_lead_a_file_outside(self) -> None:
        first = self.attempt(1)
        publisher = Publisher(first.context())
        torch_zip(self.folder(first) + "/sub/epoch-1.pt")
        publisher.look(False)
        publisher.look(False)
        publisher._publish(publisher._pending.pop())
        attempt = self.attempt(2)
        outside = os.path.join(str(self.base), "outside")
        os.makedirs(outside)
        os.symlink(outside, self.folder(attempt) + "/sub")
        self.assertIsNone(resume.prepare(attempt.context()))
        self.assertIn("through a link", self.rejections(attempt)[0][1])
        self.assertEqual(os.listdir(outside), [])

    def test_files_that_survived_on_the_disk_are_not_fetched(self) -> None:
        first = self.published(1)
        attempt = self.attempt(2)
        os.link(self.folder(first) + "/epoch-1.pt", self.folder(attempt) + "/epoch-1.pt")
        fetched: "List[str]" = []
        original = self.store.get_file
        self.store.get_file = lambda key, dest: (fetched.append(key), original(key, dest))[1]  # type: ignore[method-assign]
        self.assertIsNotNone(resume.prepare(attempt.context()))
        self.assertEqual(fetched, [])

    def test_an_unreadable_store_never_starts_over(self) -> None:
        self.published(1)
        attempt = self.attempt(2)

        def fail(prefix: str) -> Any:
            raise StoreError("the network is gone")

        self.store.list = fail
        resume_tries, resume.TRIES = resume.TRIES, 2
        try:
            with self.assertRaises(SetupError) as caught:
                resume.prepare(attempt.context())
        finally:
            resume.TRIES = resume_tries
        self.assertIn("the network is gone", caught.exception.why)

    def test_a_stop_during_the_download_ends_it(self) -> None:
        self.published(1)
        attempt = self.attempt(2)
        attempt.cancelled.set()
        with self.assertRaises(Cancelled):
            resume.prepare(attempt.context())

    def test_trackers_name_what_was_restored(self) -> None:
        first = self.attempt(1)
        publisher = Publisher(first.context())
        torch_zip(self.folder(first) + "/iter_0000100/mp_rank_00/model_optim_rng.pt")
        with open(self.folder(first) + "/latest_checkpointed_iteration.txt", "w", encoding="utf-8") as file:
            file.write("100")
        publisher.look(False)
        publisher.look(False)
        publisher._publish(publisher._pending.pop())
        attempt = self.attempt(2)
        self.assertIsNotNone(resume.prepare(attempt.context()))
        with open(self.folder(attempt) + "/latest_checkpointed_iteration.txt", encoding="utf-8") as file:
            self.assertEqual(file.read(), "100")


if __name__ == "__main__":
    unittest.main()

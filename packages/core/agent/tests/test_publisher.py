"""Publishing checkpoints while a training goes on: real files, real writers, real kills."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import signal
import subprocess
import threading
import time
import unittest
from unittest import mock

from runctl_agent.ckpt import publisher as publisher_module
from runctl_agent.ckpt.candidates import Stability, Writers, fingerprint, look
from runctl_agent.ckpt.hashing import hash_file, list_digest
from runctl_agent.ckpt.latest import Late, Latest
from runctl_agent.ckpt.pace import FAST, Pace

from .checkpoint_fixtures import dcp, deepspeed, safetensors, torch_zip
from .checkpoint_support import PREFIX, CheckpointCase
from .support import CROWDS

HALF = """
import os, sys, time
folder = sys.argv[1]
with open(folder + "/%s", "wb", buffering=0) as file:
    file.write(%r)
    print("half", flush=True)
    time.sleep(600)
"""


class Publishing(CheckpointCase):
    def test_publishes_while_the_training_goes_on(self) -> None:
        attempt = self.attempt()
        publisher = self.publisher(attempt)
        publisher.note_metrics({"loss": 0.5})
        self.save(attempt, "epoch-1.json", 1)
        self.until(lambda: publisher.published == 1, "the first save published")
        [manifest] = self.manifests()
        data = self.stored(manifest, "epoch-1.json")
        digest = hashlib.sha256(data).hexdigest()
        self.assertEqual(manifest["files"], [{"path": "epoch-1.json", "size": len(data), "sha256": digest}])
        self.assertEqual(
            (manifest["run"], manifest["attempt"], manifest["seq"], manifest["path"]), ("r1", 1, 1, "epoch-1.json")
        )
        self.assertEqual(
            (manifest["grade"], manifest["format"], manifest["step"], manifest["metrics"]),
            ("verified", "json", 1, {"loss": 0.5}),
        )
        self.assertEqual(manifest["sha256"], list_digest([("epoch-1.json", len(data), digest)]))
        self.assertEqual(
            attempt.events, [{"type": "checkpoint-published", "manifest": PREFIX + "1/000001/manifest.json"}]
        )
        self.assertEqual((publisher.newest, publisher.newest_step), (PREFIX + "1/000001/manifest.json", 1))
        self.assertEqual(self.latest()["manifest"], publisher.newest)
        self.assertGreater(publisher.save_seconds or 0, 0)
        # The script's own clean-up never reaches the store (P-24), and nothing is published twice.
        os.unlink(self.folder(attempt) + "/epoch-1.json")
        self.exited(attempt)
        self.assertEqual(publisher.stop(None), [])
        self.assertEqual(len(self.manifests()), 1)
        self.assertEqual(os.listdir(attempt.dir + "/snap"), [])

    def test_P24_a_writer_killed_mid_save_leaves_the_previous_one(self) -> None:
        attempt = self.attempt()
        publisher = self.publisher(attempt)
        whole = torch_zip(self.folder(attempt) + "/epoch-1.pt")
        self.until(lambda: publisher.published == 1, "epoch 1 published")
        with open(whole, "rb") as file:
            half = file.read()[:2000]
        process = self.writer(HALF % ("epoch-2.pt", half), self.folder(attempt))
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        process.wait()
        self.exited(attempt, None, "SIGKILL")
        self.assertEqual(publisher.stop(None), [])
        self.assertEqual([m["path"] for m in self.manifests()], ["epoch-1.pt"])
        rejected = [e for e in attempt.events if e["type"] == "checkpoint-rejected"]
        self.assertEqual([(e["path"], "end-of-central" in e["reason"]) for e in rejected], [("epoch-2.pt", True)])

    def test_P24_a_killed_writer_of_a_format_without_end_mark(self) -> None:
        for code, killed, expected in ((None, "SIGKILL", []), (0, None, ["epoch-2.pkl"])):
            with self.subTest(signal=killed):
                attempt = self.attempt(1)
                attempt.dir += "-%s" % killed
                os.makedirs(self.folder(attempt))
                before = len(self.manifests())
                attempt.attempt["attempt"] = 1 if killed else 2
                publisher = self.publisher(attempt, start=False)
                data = pickle.dumps(list(range(5000)), protocol=4)
                # Cut where the last byte happens to be the STOP mark: nothing in the file betrays it.
                with open(self.folder(attempt) + "/epoch-2.pkl", "wb") as file:
                    file.write(data[: data.index(b".", 300) + 1])
                self.exited(attempt, code, killed)
                publisher.stop(None)
                self.assertEqual([m["path"] for m in self.manifests()[before:]], expected)

    def test_an_open_writer_holds_a_file_back(self) -> None:
        attempt = self.attempt()
        body = open(safetensors(self.base + "/x.safetensors"), "rb")
        with body:
            process = self.writer(HALF % ("step-1.safetensors", body.read()), self.folder(attempt))
        assert process.stdout is not None
        process.stdout.readline()
        publisher = self.publisher(attempt, start=False)
        publisher._known.clear()
        for _ in range(5):
            self.assertEqual(publisher.look(False)[-1:] or ["step-1.safetensors"], ["step-1.safetensors"])
        self.assertEqual(publisher._pending, [])
        process.kill()
        process.wait()
        publisher.look(False)
        self.assertEqual([s.facts["path"] for s in publisher._pending], ["step-1.safetensors"])

    def test_writers_are_told_from_readers(self) -> None:
        path = self.base + "/file"
        with open(path, "wb") as writing:
            writing.write(b"x")
            key = fingerprint(os.stat(path))[:2]
            self.assertEqual(Writers().open_files({key}), (True, {key}))
        with open(path, "rb"):
            self.assertEqual(Writers().open_files({key}), (True, set()))
        self.assertEqual(Writers(self.base + "/no proc").open_files({key}), (False, set()))

    def test_P26_waits_for_every_rank(self) -> None:
        attempt = self.attempt()
        publisher = self.publisher(attempt, start=False)
        folder = self.folder(attempt)
        deepspeed(folder + "/global_step5", 4, missing=(3, 0))
        dcp(folder + "/step-7", 3, missing=1)
        for _ in range(6):
            publisher.look(False)
        self.assertEqual(publisher._pending, [])
        torch_zip(folder + "/global_step5/zero_pp_rank_3_mp_rank_00_optim_states.pt")
        with open(folder + "/step-7/__1_0.distcp", "wb") as file:
            file.write(b"shard")
        for _ in range(6):
            publisher.look(False)
        self.assertEqual(sorted(s.facts["path"] for s in publisher._pending), ["global_step5", "step-7"])

    def test_P26_the_save_before_tells_how_many_ranks_there_are(self) -> None:
        attempt = self.attempt()
        publisher = self.publisher(attempt, start=False)
        folder = self.folder(attempt)
        for rank in range(2):
            torch_zip("%s/ep1-ba10-rank%d.pt" % (folder, rank))
        publisher.look(False)
        publisher.look(False)
        torch_zip(folder + "/ep2-ba20-rank0.pt")
        for _ in range(6):
            publisher.look(False)
        self.assertEqual([s.facts["path"] for s in publisher._pending], ["ep1-ba10-rank0.pt"])
        torch_zip(folder + "/ep2-ba20-rank1.pt")
        publisher.look(False)
        publisher.look(False)
        self.assertEqual([s.facts["path"] for s in publisher._pending], ["ep2-ba20-rank0.pt"])

    def test_P27_a_zombie_publishes_nothing(self) -> None:
        old, new = self.attempt(1), self.attempt(2)
        zombie = self.publisher(old)
        self.save(old, "epoch-1.json", 1)
        self.until(lambda: zombie.published == 1, "epoch 1 published")
        Latest(self.store, PREFIX, 2, new.attempt["nonce"]).claim({"attempt": 1, "seq": 1, "manifest": "m"}, "now")
        newer = self.publisher(new)
        self.save(new, "epoch-2.json", 2)
        self.until(lambda: newer.published == 1, "the new attempt's epoch 2 published")
        before = self.latest()
        self.save(old, "epoch-9.json", 9)
        self.until(lambda: any("taken over" in text for text in old.decisions), "the zombie noticed")
        self.exited(old)
        self.assertIn("epoch-9.json", " ".join(zombie.stop(None)))
        self.assertEqual(self.latest(), before)
        self.assertEqual(
            [(m["attempt"], m["path"]) for m in self.manifests()], [(1, "epoch-1.json"), (2, "epoch-2.json")]
        )

    def test_P27_the_swap_itself_is_fenced(self) -> None:
        old, new = Latest(self.store, PREFIX, 1, "a"), Latest(self.store, PREFIX, 2, "b")
        old.claim(None, "t")
        self.assertTrue(old.move(1, "m1", "t"))
        new.claim({"attempt": 1, "seq": 1, "manifest": "m1"}, "t")
        with self.assertRaises(Late):
            old.move(2, "m2", "t")
        self.assertEqual((self.latest()["claimedBy"], self.latest()["manifest"]), (2, "m1"))

    def test_P27_racing_swaps_lose_nothing(self) -> None:
        results = []

        def run(seqs: range) -> None:
            latest = Latest(self.store, PREFIX, 1, "n")
            for seq in seqs:
                results.append(latest.move(seq, "m%d" % seq, "t"))

        threads = [threading.Thread(target=run, args=(range(start, 40, 4),)) for start in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(results), 40)
        self.assertEqual((self.latest()["seq"], self.latest()["manifest"]), (39, "m39"))

    def test_superseded_saves_are_dropped_and_a_started_one_never(self) -> None:
        attempt = self.attempt()
        publisher = self.publisher(attempt)
        self.store.gate.clear()
        self.save(attempt, "epoch-1.json", 1)
        self.until(self.store.waiting.is_set, "the upload of epoch 1 began")
        for epoch in (2, 3, 4):
            self.save(attempt, "epoch-%d.json" % epoch, epoch)
            self.until(
                lambda n=epoch: any(s.facts["path"] == "epoch-%d.json" % n for s in publisher._pending), "epoch taken"
            )
            # The script keeps only its newest save; what was taken is safe.
            os.unlink(self.folder(attempt) + "/epoch-%d.json" % (epoch - 1))
        self.assertEqual([s.facts["path"] for s in publisher._pending], ["epoch-4.json"])
        self.store.gate.set()
        self.exited(attempt)
        self.assertEqual(publisher.stop(None), [])
        self.assertEqual([(m["path"], m["step"]) for m in self.manifests()], [("epoch-1.json", 1), ("epoch-4.json", 4)])
        self.assertEqual(self.latest()["manifest"], PREFIX + "1/%06d/manifest.json" % self.manifests()[-1]["seq"])

    def test_a_file_rewritten_in_place_during_its_upload(self) -> None:
        attempt = self.attempt()
        path = self.folder(attempt) + "/last.json"
        seen = []

        def rewrite(key: str) -> None:
            if not seen:
                seen.append(key)
                with open(path, "r+", encoding="utf-8") as file:
                    file.write('{"step": 2}' + " " * 50)

        self.store.before = rewrite
        publisher = self.publisher(attempt)
        with open(path, "w", encoding="utf-8") as file:
            file.write('{"step": 1}')
        self.until(lambda: publisher.published == 1, "the rewritten file published")
        self.exited(attempt)
        self.assertEqual(publisher.stop(None), [])
        [manifest] = self.manifests()
        data = self.stored(manifest, "last.json")
        self.assertEqual(json.loads(data), {"step": 2})
        self.assertEqual(hashlib.sha256(data).hexdigest(), manifest["files"][0]["sha256"])

    def test_a_habitual_rewriter_is_copied_not_linked(self) -> None:
        attempt = self.attempt()
        publisher = self.publisher(attempt, start=False)
        path = self.folder(attempt) + "/model.json"
        for step in (1, 2):
            with open(path, "w", encoding="utf-8") as file:  # truncates: the same inode
                json.dump({"step": step, "pad": "y" * step}, file)
            publisher.look(False)
            publisher.look(False)
        [snapshot] = publisher._pending
        self.assertFalse(snapshot.linked["model.json"])
        with open(path, "w", encoding="utf-8") as file:
            file.write("{")
        with open(snapshot.file("model.json"), encoding="utf-8") as file:
            self.assertEqual(json.load(file)["step"], 2)

    def test_clock_jumps_backwards(self) -> None:
        attempt = self.attempt()
        publisher = self.publisher(attempt)
        for epoch in (1, 2, 3):
            path = self.save(attempt, "epoch-%d.json" % epoch, epoch)
            os.utime(path, (1e9 - epoch * 1e6, 1e9 - epoch * 1e6))
            self.until(lambda n=epoch: publisher.published == n, "epoch published")
        self.assertEqual(self.latest()["manifest"], PREFIX + "1/000003/manifest.json")
        self.assertEqual(self.manifests()[-1]["path"], "epoch-3.json")

    def test_the_same_path_with_an_older_time_is_a_new_save(self) -> None:
        attempt = self.attempt()
        publisher = self.publisher(attempt)
        for step in (1, 2):
            path = self.save(attempt, "last.json", step)
            os.utime(path, (1e9 - step * 1e6, 1e9 - step * 1e6))
            self.until(lambda n=step: publisher.published == n, "save published")
        self.assertEqual([m["step"] for m in self.manifests()], [1, 2])

    @CROWDS
    def test_10000_files_are_not_hashed_again(self) -> None:
        attempt = self.attempt()
        folder = self.folder(attempt)
        for i in range(10_000):
            with open("%s/old-%05d.json" % (folder, i), "w", encoding="utf-8") as file:
                file.write("{}")
        publisher = self.publisher(attempt, start=False)  # they were there before: not this training's
        with mock.patch.object(publisher_module, "hash_file", side_effect=hash_file) as hashed:
            publisher.look(False)
            self.save(attempt, "epoch-1.json", 1)
            publisher.look(False)
            began = time.process_time()
            for _ in range(5):
                publisher.look(False)
            each = (time.process_time() - began) / 5
            publisher.start()
            self.until(lambda: publisher.published == 1, "the new one published")
            self.assertEqual(hashed.call_count, 1)
        self.assertLess(each, 0.5)

    @CROWDS
    def test_a_save_of_10000_files(self) -> None:
        attempt = self.attempt()
        publisher = self.publisher(attempt, start=False)
        folder = self.folder(attempt) + "/100"
        os.makedirs(folder + "/default/d")
        for i in range(10_000):
            with open("%s/default/d/%05d" % (folder, i), "w", encoding="utf-8") as file:
                file.write("data")
        for name, text in (("default/_METADATA", "{}"), ("_CHECKPOINT_METADATA", '{"commit_timestamp_nsecs": 1}')):
            with open(folder + "/" + name, "w", encoding="utf-8") as file:
                file.write(text)
        self.exited(attempt)
        with mock.patch("os.fsync"):  # 10,000 syncs measure the disk, not this code
            self.assertEqual(publisher.stop(None), [])
        [manifest] = self.manifests()
        self.assertEqual((len(manifest["files"]), manifest["format"], manifest["grade"]), (10_002, "orbax", "verified"))

    def test_a_deadline_is_kept_and_what_is_lost_is_told(self) -> None:
        attempt = self.attempt()
        publisher = self.publisher(attempt)
        self.store.gate.clear()
        self.save(attempt, "epoch-1.json", 1)
        self.until(self.store.waiting.is_set, "the upload of epoch 1 began")
        path = self.save(attempt, "best.json", 7, size=1000)
        size = os.path.getsize(path)
        self.exited(attempt)
        began = time.monotonic()
        lost = publisher.stop(began + 1.0)
        self.assertLess(time.monotonic() - began, 3)
        self.assertEqual(len(lost), 2)
        self.assertIn("checkpoint best.json (%d bytes)" % size, " ".join(lost))
        self.assertIn("checkpoint epoch-1.json", " ".join(lost))

    def test_a_deadline_takes_the_newest_first(self) -> None:
        attempt = self.attempt()
        publisher = self.publisher(attempt, start=False)
        self.save(attempt, "best.json", 1)
        publisher.look(False)
        publisher.look(False)
        self.save(attempt, "epoch-2.json", 2)
        self.exited(attempt)
        order = []
        self.store.before = lambda key: order.append(key.rsplit("/", 1)[1])
        publisher._newest_first = True
        publisher._settle(time.monotonic() + 5)
        self.assertEqual(publisher.stop(time.monotonic() + 20), [])
        self.assertEqual(order, ["epoch-2.json", "best.json"])
        self.assertEqual(self.latest()["seq"], 2)

    def test_a_store_that_fails_is_tried_again(self) -> None:
        attempt = self.attempt()
        self.store.failures = ["the network is gone", "the network is gone"]
        publisher = self.publisher(attempt)
        self.save(attempt, "epoch-1.json", 1)
        self.until(lambda: publisher.published == 1, "published after two failures")
        self.assertEqual([text for text in attempt.decisions if "network" in text][0].count("epoch-1.json"), 1)
        self.exited(attempt)
        self.assertEqual(publisher.stop(None), [])

    @unittest.skipUnless(os.geteuid() == 0, "only root may mount a small file system")
    def test_a_full_store_loses_nothing_that_is_published(self) -> None:
        root = os.path.join(self.base, "store")
        image = os.path.join(self.base, "image")
        with open(image, "wb") as file:
            file.truncate(4 << 20)
        if subprocess.call(["mkfs.ext4", "-q", "-m", "0", image]) or subprocess.call(
            ["mount", "-o", "loop", image, root]
        ):
            self.skipTest("no loop mounts here")
        self.addCleanup(subprocess.call, ["umount", root])
        attempt = self.attempt()
        publisher = self.publisher(attempt)
        self.save(attempt, "epoch-1.json", 1)
        self.until(lambda: publisher.published == 1, "epoch 1 published")
        filler = root + "/filler"
        with open(filler, "wb") as file:
            try:
                while True:
                    file.write(b"x" * 4096)
                    file.flush()
            except OSError:
                pass
        self.save(attempt, "epoch-2.json", 2, size=100_000)
        self.until(lambda: any("No space left" in text for text in attempt.decisions), "the full disk was told")
        self.assertEqual([m["path"] for m in self.manifests()], ["epoch-1.json"])
        os.unlink(filler)
        self.until(lambda: publisher.published == 2, "epoch 2 published once there was space")
        self.exited(attempt)
        self.assertEqual(publisher.stop(None), [])
        names = [os.path.join(where, name) for where, _dirs, files in os.walk(root) for name in files]
        self.assertEqual([name for name in names if "tmp" in name.split("/")[-1]], [])

    def test_a_full_store_at_the_end_is_told_as_lost(self) -> None:
        attempt = self.attempt()
        self.store.failures = ["No space left on device"] * 50
        publisher = self.publisher(attempt, start=False)
        self.save(attempt, "epoch-2.json", 2)
        self.exited(attempt)
        lost = publisher.stop(None)
        self.assertEqual(len(lost), 1)
        self.assertIn("checkpoint epoch-2.json (", lost[0])
        self.assertIn("No space left on device", lost[0])

    def test_a_restarted_supervisor_goes_on_where_the_killed_one_was(self) -> None:
        attempt = self.attempt()
        first = self.publisher(attempt)
        self.save(attempt, "epoch-1.json", 1)
        self.until(lambda: first.published == 1, "epoch 1 published")
        self.store.gate.clear()
        self.store.waiting.clear()
        path = self.save(attempt, "epoch-2.json", 2)
        self.until(self.store.waiting.is_set, "the upload of epoch 2 began")
        # SIGKILL: the record and the snapshot are what is left, the script has removed its own file.
        first._abandon = True
        first._halt.set()
        os.unlink(path)
        self.store.gate.set()
        for thread in first._threads:
            with first._lock:
                first._lock.notify_all()
            thread.join(10)
        second = self.publisher(attempt)
        self.until(lambda: second.published == 2, "epoch 2 published by the second")
        self.exited(attempt)
        self.assertEqual(second.stop(None), [])
        self.assertEqual([(m["seq"], m["path"]) for m in self.manifests()], [(1, "epoch-1.json"), (2, "epoch-2.json")])
        published = [e["manifest"] for e in attempt.events if e["type"] == "checkpoint-published"]
        self.assertEqual(published, [PREFIX + "1/000001/manifest.json", PREFIX + "1/000002/manifest.json"])

    def test_a_manifest_that_had_arrived_is_success(self) -> None:
        attempt = self.attempt()
        publisher = self.publisher(attempt)
        original = self.store.put_bytes

        def lose_the_answer(key: str, data: bytes, create_only: bool = False) -> None:
            original(key, data, create_only)
            if key.endswith("manifest.json") and not lost:
                lost.append(key)
                raise publisher_module.StoreError("the answer never came")

        lost: "list[str]" = []
        with mock.patch.object(self.store, "put_bytes", lose_the_answer):
            self.save(attempt, "epoch-1.json", 1)
            self.until(lambda: publisher.published == 1, "published")
        self.assertEqual(len(lost), 1)
        self.assertEqual([m["seq"] for m in self.manifests()], [1])
        self.assertEqual(len(attempt.events), 1)

    def test_odd_names_and_links(self) -> None:
        attempt = self.attempt()
        publisher = self.publisher(attempt, start=False)
        odd = [
            "a b.json",
            "quote'\"-1.json",
            "new\nline-2.json",
            "--dash-3.json",
            "emoji-\U0001f600.json",
            "$(touch pwned).json",
        ]
        for name in odd:
            self.save(attempt, name, 1)
        os.symlink("a b.json", self.folder(attempt) + "/last.json")
        os.symlink("/etc", self.folder(attempt) + "/step-5")
        with open(os.fsencode(self.folder(attempt)) + b"/not-utf8-\xff.json", "wb") as file:
            file.write(b"{}")
        self.exited(attempt)
        self.assertEqual(publisher.stop(None), [])
        self.assertEqual(sorted(m["path"] for m in self.manifests()), sorted(odd))
        self.assertEqual(
            [e["reason"] for e in attempt.events if e["type"] == "checkpoint-rejected"], ["its name is not UTF-8"]
        )

    def test_a_half_written_file_is_no_rejection(self) -> None:
        attempt = self.attempt()
        clock = [0.0]
        context = attempt.context()
        context.uptime = lambda: clock[0]
        publisher = publisher_module.Publisher(context)
        with open(self.folder(attempt) + "/epoch-1.json", "w", encoding="utf-8") as file:
            file.write('{"half')
        for _ in range(5):
            publisher.look(False)
        self.assertEqual(attempt.events, [])
        clock[0] = 61.0
        publisher.look(False)
        publisher.look(False)
        self.assertEqual([(e["type"], e["path"]) for e in attempt.events], [("checkpoint-rejected", "epoch-1.json")])

    def test_stopping_is_quick(self) -> None:
        attempt = self.attempt()
        publisher = self.publisher(attempt)
        self.save(attempt, "epoch-1.json", 1)
        self.exited(attempt)
        began = time.monotonic()
        self.assertEqual(publisher.stop(None), [])
        self.assertLess(time.monotonic() - began, 1.0)
        self.assertEqual(publisher.published, 1)

    def test_no_checkpoints_no_work(self) -> None:
        publisher = publisher_module.Publisher(self.new().context())
        publisher.start()
        self.assertEqual((publisher.stop(None), publisher.published, publisher.newest), ([], 0, None))


class PaceTest(CheckpointCase):
    def test_quick_while_a_save_is_followed_and_slow_when_nothing_stirs(self) -> None:
        root = self.base + "/dir"
        pace = Pace()
        self.assertFalse(pace.due(1.0, root, {}) and pace.pause > FAST)
        os.makedirs(root + "/sub")
        pace.looked(1.0, 0.001, True)
        self.assertEqual(pace.pause, FAST)
        self.assertTrue(pace.due(1.1, root, look(root).folders))
        folders = look(root).folders
        self.assertEqual(sorted(folders), ["", "sub"])
        pace.looked(1.2, 0.001, False)
        self.assertFalse(pace.due(1.3, root, folders))
        self.assertTrue(pace.due(2.3, root, folders), "files rewritten in place stir no folder")
        os.utime(root + "/sub", ns=(1, 1))
        self.assertTrue(pace.due(1.3, root, folders))

    def test_costly_looks_are_seldom(self) -> None:
        pace = Pace()
        pace.looked(0.0, 0.1, True)
        self.assertAlmostEqual(pace.pause, 2.0)
        pace.looked(0.0, 0.05, False)
        os.makedirs(self.base + "/dir")
        folders = look(self.base + "/dir").folders
        self.assertFalse(pace.due(4.9, self.base + "/dir", folders))
        self.assertTrue(pace.due(5.1, self.base + "/dir", folders))
        pace.checked(9.0, 0.02)
        self.assertAlmostEqual(pace.pause, 2.0)


class Looking(unittest.TestCase):
    def test_what_replaces_what(self) -> None:
        for older, newer, same in (
            ("epoch-3.pt", "epoch-4.pt", True),
            ("logs/epoch=1-step=10.ckpt", "logs/epoch=2-step=20.ckpt", True),
            ("checkpoint-500", "checkpoint-1000", True),
            ("best.pt", "last.pt", False),
            ("fold1/best.pt", "fold2/best.pt", False),
            ("rank_0.pt", "rank_1.pt", False),
            ("step5-rank0.pt", "step6-rank0.pt", True),
        ):
            self.assertEqual(publisher_module._series(older) == publisher_module._series(newer), same, (older, newer))

    def test_rest_and_rewriting(self) -> None:
        stability = Stability()
        stability.update({"a": (1, 2, 3, 100)})
        stability.update({"a": (1, 2, 3, 100)})
        self.assertEqual(stability.ticks(["a"]), 2)
        stability.update({"a": (1, 2, 3, 50)})  # the clock went back: a change like any other
        self.assertEqual((stability.ticks(["a"]), stability.rewritten), (1, {"a"}))
        stability.update({"a": (1, 9, 3, 50)})
        self.assertEqual((stability.ticks(["a"]), stability.ticks(["a", "b"])), (1, 0))


if __name__ == "__main__":
    unittest.main()

"""Inputs come in whole and stay inside; outputs leave whole, also on failure, and nothing is removed remotely."""

from __future__ import annotations

import os
import threading
from typing import Any, Dict, List
from unittest import mock

from runctl_agent.context import Cancelled, SetupError
from runctl_agent.setup import inputs as inputs_part
from runctl_agent.setup.inputs import fetch_inputs
from runctl_agent.store import FileStore, StoreError
from runctl_agent.uploads import outputs as outputs_part
from runctl_agent.uploads.outputs import Outputs

from .support import CROWDS, Attempt, Case, tree_of, write


class Counting(FileStore):
    """A store that remembers what was asked of it, and fails when told to."""

    def __init__(self, root: str) -> None:
        super().__init__(root, "")
        self.got: List[str] = []
        self.put: List[str] = []
        self.failures = 0
        self.on_put: Any = None
        self._lock = threading.Lock()

    def get_file(self, key: str, dest_path: str) -> None:
        with self._lock:
            self.got.append(key)
            if self.failures:
                self.failures -= 1
                raise StoreError("the network is down")
        super().get_file(key, dest_path)

    def put_file(self, key: str, path: str, create_only: bool = False) -> None:
        self.put.append(key)
        if self.failures:
            self.failures -= 1
            raise StoreError("the network is down")
        super().put_file(key, path, create_only)
        if self.on_put:
            self.on_put(path)


class CountingAttempt(Attempt):
    """An attempt over a counting store."""

    def __init__(self, base: str, **changes: Any) -> None:
        super().__init__(base, **changes)
        self.store: Counting = Counting(self.root)


class TransferCase(Case):
    def setUp(self) -> None:
        super().setUp()
        parts: List[Any] = [inputs_part, outputs_part]
        for part in parts:
            self.addCleanup(setattr, part, "PAUSE", part.PAUSE)
            part.PAUSE = 0.001

    def attempt(self, **changes: Any) -> CountingAttempt:
        attempt = CountingAttempt(self.base, **changes)
        os.makedirs(attempt.work, exist_ok=True)
        return attempt


class InputsTest(TransferCase):
    def test_s08_one_object_a_folder_and_a_rename(self) -> None:
        attempt = self.attempt(
            inputs=[
                {"store": 0, "key": "in/one.csv", "to": "data/"},
                {"store": 0, "key": "in/one.csv", "to": "elsewhere/renamed.csv"},
                {"store": 0, "key": "in/many/", "to": "data/many"},
                {"store": 0, "key": "in/one.csv", "to": "existing"},
                {"store": 0, "key": "in/many/", "to": "."},
            ]
        )
        os.makedirs(os.path.join(attempt.work, "existing"))
        attempt.store.put_bytes("in/one.csv", b"1,2\n")
        attempt.store.put_bytes("in/many/a b\n.txt", b"a")
        attempt.store.put_bytes("in/many/deep/er/c", b"c")
        attempt.store.put_bytes("in/manyother", b"not asked for")
        fetch_inputs(attempt.context())
        files = {path: row[1] for path, row in tree_of(attempt.work).items() if row[0] == "file"}
        self.assertEqual(
            files,
            {
                "data/one.csv": b"1,2\n",
                "elsewhere/renamed.csv": b"1,2\n",
                "data/many/a b\n.txt": b"a",
                "data/many/deep/er/c": b"c",
                "existing/one.csv": b"1,2\n",
                "a b\n.txt": b"a",
                "deep/er/c": b"c",
            },
        )
        last = attempt.events[-1]
        self.assertEqual(
            (last["type"], last["operation"], last["done"], last["total"], last["unit"]),
            ("progress", "transfer", 16, 16, "bytes"),
        )

    @CROWDS
    def test_s08_more_than_a_thousand_objects_few_events(self) -> None:
        attempt = self.attempt(inputs=[{"store": 0, "key": "in/", "to": "data"}])
        for index in range(1500):
            write(os.path.join(attempt.root, "in/%d/%d" % (index % 7, index)), str(index))
        with mock.patch("os.fsync"):  # thousands of syncs measure the disk, not this code
            fetch_inputs(attempt.context())
        found = {path: row[1] for path, row in tree_of(os.path.join(attempt.work, "data")).items() if row[0] == "file"}
        self.assertEqual(found, {"%d/%d" % (n % 7, n): str(n).encode() for n in range(1500)})
        times = [event for event in attempt.events if event["type"] == "progress"]
        self.assertLess(len(times), 60)

    def test_brought_once_but_again_when_touched(self) -> None:
        attempt = self.attempt(inputs=[{"store": 0, "key": "in/", "to": "data"}])
        for name in ("a", "b", "c"):
            attempt.store.put_bytes("in/" + name, name.encode())
        fetch_inputs(attempt.context())
        attempt.store.got.clear()
        fetch_inputs(attempt.context())
        self.assertEqual(attempt.store.got, [])
        attempt.write("data/b", "spoilt")
        os.unlink(os.path.join(attempt.work, "data/c"))
        with open(os.path.join(attempt.dir, inputs_part.LEDGER), "a") as ledger:
            ledger.write('["cut sho')
        fetch_inputs(attempt.context())
        self.assertEqual(sorted(attempt.store.got), ["in/b", "in/c"])
        self.assertEqual(tree_of(attempt.work)["data/b"][1], b"b")

    def test_missing_inputs_are_named(self) -> None:
        for key in ("in/none.csv", "in/none/", "in/x"):
            with self.subTest(key=key):
                attempt = self.attempt(inputs=[{"store": 0, "key": key, "to": "data/"}])
                attempt.store.put_bytes("in/x/y", b"a folder is no object")
                with self.assertRaises(SetupError) as caught:
                    fetch_inputs(attempt.context())
                self.assertIn(key, caught.exception.what)
                self.assertIn("does not exist", caught.exception.what)

    def test_nothing_is_written_outside(self) -> None:
        attempt = self.attempt()
        attempt.store.put_bytes("in/x", b"x")
        outside = os.path.join(self.base, "outside")
        os.makedirs(outside)
        os.symlink(outside, os.path.join(attempt.work, "out"))
        for to in ("../beside", "/etc/x", "a/../../b", "out/", "out/deep/file", "nul\0"):
            for key in ("in/x", "in/"):
                with self.subTest(to=to, key=key):
                    attempt.attempt["inputs"] = [{"store": 0, "key": key, "to": to}]
                    with self.assertRaises((SetupError, ValueError)) as caught:
                        fetch_inputs(attempt.context())
                    self.assertIsInstance(caught.exception, SetupError)
        self.assertEqual(os.listdir(outside), [])
        self.assertEqual(set(os.listdir(attempt.dir)) - {"inputs.jsonl"}, {"work"})

    def test_hostile_object_names_are_refused(self) -> None:
        class Hostile(Counting):
            def list(self, prefix: str) -> Any:
                yield prefix + name, 1

        for name in ("../../beside", "a//b", "./x", "a/.."):
            attempt = self.attempt(inputs=[{"store": 0, "key": "in/", "to": "data"}])
            attempt.store = Hostile(attempt.root)
            with self.subTest(name=name), self.assertRaises(SetupError):
                fetch_inputs(attempt.context())

    def test_two_inputs_for_one_file_are_refused(self) -> None:
        attempt = self.attempt(
            inputs=[{"store": 0, "key": "in/a", "to": "x"}, {"store": 0, "key": "in/b", "to": "./x"}]
        )
        attempt.store.put_bytes("in/a", b"a")
        attempt.store.put_bytes("in/b", b"b")
        with self.assertRaises(SetupError):
            fetch_inputs(attempt.context())

    def test_large_files_come_in_pieces_and_a_failing_store_is_asked_again(self) -> None:
        attempt = self.attempt(inputs=[{"store": 0, "key": "in/", "to": "data"}])
        body = os.urandom(inputs_part.LARGE + 12345)
        attempt.store.put_bytes("in/large", body)
        attempt.store.put_bytes("in/small", b"small")
        attempt.store.failures = 2
        fetch_inputs(attempt.context())
        self.assertEqual(tree_of(attempt.work)["data/large"][1], body)
        self.assertEqual(attempt.store.got, ["in/small"] * 3)
        self.assertEqual(sorted(os.listdir(os.path.join(attempt.work, "data"))), ["large", "small"])

    def test_cancel_leaves_no_half_file(self) -> None:
        attempt = self.attempt(inputs=[{"store": 0, "key": "in/large", "to": "data/"}])
        write(os.path.join(attempt.root, "in/large"))
        os.truncate(os.path.join(attempt.root, "in/large"), 1 << 32)  # sparse
        emit = attempt.events.append

        def cancel(event: Dict[str, Any]) -> None:
            emit(event)
            attempt.cancelled.set()

        ctx = attempt.context()
        ctx.emit = cancel
        with self.assertRaises(Cancelled):
            fetch_inputs(ctx)
        self.assertEqual(os.listdir(os.path.join(attempt.work, "data")), [])

    def test_more_than_the_disk_holds_is_refused_with_sizes(self) -> None:
        attempt = self.attempt(inputs=[{"store": 0, "key": "in/huge", "to": "data/"}])
        write(os.path.join(attempt.root, "in/huge"))
        os.truncate(os.path.join(attempt.root, "in/huge"), 8 << 40)
        with self.assertRaises(SetupError) as caught:
            fetch_inputs(attempt.context())
        self.assertIn("disk is full", caught.exception.what)
        self.assertIn("8.0 TiB needed", caught.exception.why)


class OutputsTest(TransferCase):
    def setUp(self) -> None:
        super().setUp()
        settle = outputs_part.SETTLE
        outputs_part.SETTLE = 0.05
        self.addCleanup(setattr, outputs_part, "SETTLE", settle)

    def remote(self, attempt: Attempt, prefix: str = "") -> Dict[str, bytes]:
        return {key: attempt.store.get_bytes(key) for key, _ in attempt.store.list(prefix)}

    def test_s08_the_output_folder_and_named_outputs(self) -> None:
        attempt = self.attempt(
            outputs=[
                {"from": "logs", "store": 0, "key": "mine/logs/", "when": "always"},
                {"from": "model.bin", "store": 0, "key": "mine/model-final.bin", "when": "end"},
                {"from": "model.bin", "store": 0, "key": "mine/", "when": "end"},
                {"from": "nothing", "store": 0, "key": "mine/nothing/", "when": "end"},
            ]
        )
        attempt.write("output/a b/c\n.txt", "c")
        attempt.write("output/\u00e9.txt", "e")
        attempt.write("logs/x.log", "x")
        attempt.write("model.bin", "weights")
        out = Outputs(attempt.context())
        out.collect(final=True, failed=False)
        self.assertEqual(
            self.remote(attempt),
            {
                "runs/r1/outputs/a b/c\n.txt": b"c",
                "runs/r1/outputs/\u00e9.txt": b"e",
                "mine/logs/x.log": b"x",
                "mine/model-final.bin": b"weights",
                "mine/model.bin": b"weights",
            },
        )
        self.assertEqual(out.lost, [])
        self.assertEqual(
            out.report,
            [
                {"from": "output", "to": "runs/r1/outputs/", "files": 2, "sizeBytes": 2},
                {"from": "logs", "to": "mine/logs/", "files": 1, "sizeBytes": 1},
                {"from": "model.bin", "to": "mine/model-final.bin", "files": 1, "sizeBytes": 7},
                {"from": "model.bin", "to": "mine/", "files": 1, "sizeBytes": 7},
                {"from": "nothing", "to": "mine/nothing/", "files": 0, "sizeBytes": 0},
            ],
        )

    def test_s08_on_failure_all_but_outputs_of_success(self) -> None:
        attempt = self.attempt(
            outputs=[
                {"from": "a", "store": 0, "key": "always", "when": "always"},
                {"from": "a", "store": 0, "key": "end", "when": "end"},
                {"from": "a", "store": 0, "key": "periodic", "when": {"everySeconds": 60}},
            ]
        )
        attempt.write("a", "1")
        attempt.write("output/o", "2")
        Outputs(attempt.context()).collect(final=True, failed=True)
        self.assertEqual(set(self.remote(attempt)), {"always", "periodic", "runs/r1/outputs/o"})

    def test_p23_only_what_changed_is_sent_also_by_a_restarted_supervisor(self) -> None:
        attempt = self.attempt()
        for index in range(50):
            attempt.write("output/%d" % index, str(index))
        Outputs(attempt.context()).collect(final=True, failed=False)
        attempt.store.put.clear()
        attempt.write("output/7", "seven")
        out = Outputs(attempt.context())
        out.collect(final=True, failed=False)
        self.assertEqual(attempt.store.put, ["runs/r1/outputs/7"])
        self.assertEqual(out.report[0]["files"], 50)

    def test_p24_removing_a_local_file_removes_nothing_remotely(self) -> None:
        attempt = self.attempt()
        attempt.write("output/a", "1")
        out = Outputs(attempt.context())
        out.collect(final=True, failed=False)
        os.unlink(os.path.join(attempt.work, "output/a"))
        out.collect(final=True, failed=False)
        self.assertEqual(self.remote(attempt), {"runs/r1/outputs/a": b"1"})

    def test_p24_a_file_that_is_being_written_waits(self) -> None:
        attempt = self.attempt(outputs=[{"from": "logs", "store": 0, "key": "logs/", "when": {"everySeconds": 0.001}}])
        attempt.write("logs/quiet", "done")
        busy = attempt.write("logs/busy", "half")
        out = Outputs(attempt.context())
        ctx_wait = attempt.cancelled.wait

        def grow(seconds: "float | None" = None) -> bool:
            with open(busy, "a") as file:
                file.write("+")
            return ctx_wait(0.005)

        attempt.cancelled.wait = grow  # type: ignore[method-assign]
        for _ in range(3):
            grow()
            out.collect(final=False, failed=False)
        self.assertEqual(set(self.remote(attempt, "logs/")), {"logs/quiet"})
        attempt.cancelled.wait = ctx_wait
        ctx_wait(0.005)
        out.collect(final=False, failed=False)
        self.assertEqual(set(self.remote(attempt, "logs/")), {"logs/quiet", "logs/busy"})

    def test_a_file_that_changes_during_its_upload_is_sent_again(self) -> None:
        attempt = self.attempt()
        attempt.write("output/a", "old")
        changes = ["new"]

        def change(path: str) -> None:
            if changes:
                write(path, changes.pop())

        attempt.store.on_put = change
        out = Outputs(attempt.context())
        out.collect(final=True, failed=False)
        self.assertEqual(self.remote(attempt), {"runs/r1/outputs/a": b"new"})
        self.assertEqual(out.lost, [])

    def test_only_what_is_due_is_collected_during_the_training(self) -> None:
        attempt = self.attempt(
            outputs=[
                {"from": "a", "store": 0, "key": "soon", "when": {"everySeconds": 10}},
                {"from": "a", "store": 0, "key": "later", "when": {"everySeconds": 100}},
                {"from": "a", "store": 0, "key": "end", "when": "end"},
                {"from": "a", "store": 0, "key": "always", "when": "always"},
            ]
        )
        attempt.write("a", "1")
        attempt.write("output/o", "2")
        clock = [1000.0]
        ctx = attempt.context()
        ctx.uptime = lambda: clock[0]
        out = Outputs(ctx)
        out.collect(final=False, failed=False)
        self.assertEqual(self.remote(attempt), {})
        clock[0] += 11
        out.collect(final=False, failed=False)
        self.assertEqual(set(self.remote(attempt)), {"soon"})
        clock[0] += 300
        out.collect(final=False, failed=False)
        self.assertEqual(set(self.remote(attempt)), {"soon", "later", "runs/r1/outputs/o"})

    def test_failures_are_retried_then_listed(self) -> None:
        attempt = self.attempt()
        attempt.write("output/a", "1")
        attempt.store.failures = 2
        out = Outputs(attempt.context())
        out.collect(final=True, failed=False)
        self.assertEqual((out.lost, attempt.store.put), ([], ["runs/r1/outputs/a"] * 3))
        attempt.write("output/b", "2")
        attempt.store.failures = 99
        out.collect(final=True, failed=False)
        self.assertEqual(out.lost, ["output/b: the network is down"])
        attempt.store.failures = 0
        out.collect(final=True, failed=False)
        self.assertEqual(out.lost, [])

    def test_links_are_followed_inside_only(self) -> None:
        attempt = self.attempt(checkpoints={"dir": "output/ckpt"})
        outside = write(os.path.join(self.base, "secret", "key"), "secret")
        attempt.write("output/real/x", "x")
        attempt.write("output/ckpt/step.pt", "published by itself")
        attempt.write("runs/best", "b")
        for name, target in (
            ("best", "../runs/best"),
            ("circle", "."),
            ("again", "real"),
            ("bad", outside),
            ("badder", os.path.dirname(outside)),
            ("gone", "nowhere"),
        ):
            os.symlink(target, os.path.join(attempt.work, "output", name))
        os.mkfifo(os.path.join(attempt.work, "output", "pipe"))
        out = Outputs(attempt.context())
        out.collect(final=True, failed=False)
        self.assertEqual(
            self.remote(attempt, "runs/"),
            {"runs/r1/outputs/real/x": b"x", "runs/r1/outputs/again/x": b"x", "runs/r1/outputs/best": b"b"},
        )
        self.assertEqual(
            out.lost,
            ["output/bad: a link to outside the working folder", "output/badder: a link to outside the working folder"],
        )

    def test_a_name_that_is_no_text_is_lost_with_a_reason(self) -> None:
        attempt = self.attempt()
        attempt.write("output/good", "1")
        with open(os.path.join(os.fsencode(attempt.work), b"output/bad\xff"), "wb") as file:
            file.write(b"2")
        out = Outputs(attempt.context())
        out.collect(final=True, failed=False)
        self.assertEqual(set(self.remote(attempt)), {"runs/r1/outputs/good"})
        self.assertEqual(out.lost, ["output/bad\ufffd: its name is not UTF-8"])

    def test_without_an_output_folder_nothing_happens(self) -> None:
        attempt = self.attempt()
        out = Outputs(attempt.context())
        out.collect(final=True, failed=True)
        self.assertEqual((out.report, out.lost, attempt.events), ([], [], []))

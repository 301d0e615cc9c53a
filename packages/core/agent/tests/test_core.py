"""The agent's own rules, part by part: store, records, processes, limits, control, log lines."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from unittest import mock

from runctl_agent import procs, records, reserve
from runctl_agent.attempt.causes import cause_of
from runctl_agent.attempt.control import Control
from runctl_agent.attempt.interruption import grace_for
from runctl_agent.attempt.limits import Limits
from runctl_agent.attempt.status import Status
from runctl_agent.attempt.stopping import Stopping
from runctl_agent.attempt.tidy import tidy_folder
from runctl_agent.journal import Journal
from runctl_agent.store import Conflict, Missing, StoreError, open_store
from runctl_agent.uploads.log_chunks import LogShip
from runctl_agent.uploads.log_lines import LogLines

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List


class Folder(unittest.TestCase):
    def setUp(self) -> None:
        self.dir = tempfile.mkdtemp(prefix="runctl-core-")
        self.addCleanup(shutil.rmtree, self.dir, True)

    def path(self, *parts: str) -> str:
        return os.path.join(self.dir, *parts)

    def write(self, name: str, data: bytes) -> str:
        with open(self.path(name), "wb") as file:
            file.write(data)
        return self.path(name)


class StoreTest(Folder):
    def setUp(self) -> None:
        super().setUp()
        self.store = open_store("pre/", {"kind": "file", "settings": {"root": self.dir}}, {})

    def test_create_only_is_won_once(self) -> None:
        self.store.put_bytes("a/claim", b"1", create_only=True)
        with self.assertRaises(Conflict):
            self.store.put_bytes("a/claim", b"2", create_only=True)
        self.assertEqual(self.store.get_bytes("a/claim"), b"1")
        self.store.put_bytes("a/claim", b"3")
        self.assertEqual(self.store.get_bytes("a/claim"), b"3")

    def test_missing(self) -> None:
        self.assertIsNone(self.store.size("no"))
        for work in (lambda: self.store.get_bytes("no"), lambda: self.store.open_range("no", 0, 1)):
            with self.assertRaises(Missing):
                work()

    def test_lists_in_byte_order_of_whole_keys_without_temporary_files(self) -> None:
        keys = ["a", "a-b/x", "a/b", "a/b.c", "a/b/../x"[:3] + "0/c", "z\u00e9", "z"]
        for key in keys:
            self.store.put_bytes(key, key.encode("utf-8")) if key != "a" else None
        self.write("pre/.runctl-tmp-1-x", b"half")
        listed = [key for key, _ in self.store.list("")]
        self.assertEqual(listed, sorted(set(keys) - {"a"}, key=os.fsencode))
        self.assertEqual([key for key, _ in self.store.list("a/b")], ["a/b", "a/b.c", "a/b0/c"])
        self.store.sweep("")
        self.assertEqual([name for name in os.listdir(self.path("pre")) if name.startswith(".")], [])

    def test_refuses_keys_that_leave_the_store(self) -> None:
        for key in ("../x", "a/../../x", "/etc/passwd", "a//b", "a/./b", "", "a\0b"):
            with self.assertRaises(StoreError):
                self.store.put_bytes(key, b"x")

    def test_files_and_ranges(self) -> None:
        source = self.write("source", bytes(range(256)) * 5000)
        self.store.put_file("big", source)
        self.store.get_file("big", self.path("copy"))
        with open(source, "rb") as one, open(self.path("copy"), "rb") as two:
            self.assertEqual(one.read(), two.read())
        with self.store.open_range("big", 255, 3) as part:
            self.assertEqual(part.read(), b"\xff\x00\x01")

    def test_unknown_kinds_say_so(self) -> None:
        with self.assertRaisesRegex(StoreError, "s3"):
            open_store("", {"kind": "s3", "settings": {}}, {})


class RecordsTest(Folder):
    def test_a_failed_write_leaves_the_old_record_and_no_temporary_file(self) -> None:
        path = self.path("r.json")
        records.write_record(path, {"n": 1})
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
        try:
            with self.assertRaises(OSError):
                records.write_record(path, {"n": "x" * 1000})
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            signal.signal(signal.SIGXFSZ, old)
        self.assertEqual(records.read_record(path), {"n": 1})
        self.assertEqual(os.listdir(self.dir), ["r.json"])

    def test_the_first_record_wins(self) -> None:
        self.assertTrue(records.create_record(self.path("n"), {"cause": "stop"}))
        self.assertFalse(records.create_record(self.path("n"), {"cause": "notice"}))
        self.assertEqual(records.read_record(self.path("n")), {"cause": "stop"})

    def test_torn_and_foreign_records_are_not_there(self) -> None:
        for data in (b"", b"{", b"[1]", b"\xff\xfe"):
            self.assertIsNone(records.read_record(self.write("r", data)))

    def test_reserve(self) -> None:
        reserve.make(self.dir)
        self.assertEqual(os.stat(self.path("reserve")).st_blocks * 512 // reserve.SIZE, 1)
        self.assertTrue(reserve.free(self.dir))
        self.assertFalse(reserve.free(self.dir))

    def test_tidy_takes_only_temporary_files_of_others(self) -> None:
        for name in (
            "status.json.tmp-1",
            "notice.json.new-2",
            "guard.json.123",
            "status.json",
            "log",
            "x.tmp-%d" % os.getpid(),
        ):
            self.write(name, b"x")
        tidy_folder(self.dir)
        self.assertEqual(sorted(os.listdir(self.dir)), sorted(["status.json", "log", "x.tmp-%d" % os.getpid()]))


class ProcsTest(Folder):
    def child(self, *argv: str, **options: "Any") -> "subprocess.Popen[Any]":
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, **options)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    @unittest.skipUnless(procs.LINUX, "the names in /proc are Linux's")
    def test_a_command_name_with_spaces_and_parentheses(self) -> None:
        odd = self.path("a) (b 1 2")
        shutil.copy("/bin/sleep", odd)
        process = self.child(odd, "60")
        with open("/proc/uptime") as file:
            now = float(file.read().split()[0])
        start = procs.start_time(process.pid)
        assert start is not None
        self.assertLess(abs(int(start) / os.sysconf("SC_CLK_TCK") - now), 30)
        self.assertTrue(procs.is_alive(process.pid, start, procs.boot_id()))

    def test_another_start_time_or_boot_is_another_process(self) -> None:
        process = self.child("sleep", "60")
        start = procs.start_time(process.pid)
        self.assertFalse(procs.is_alive(process.pid, str(start) + "1", procs.boot_id()))
        self.assertFalse(procs.is_alive(process.pid, start, "another boot"))
        self.assertFalse(procs.signal_exact(process.pid, "1", procs.boot_id(), signal.SIGKILL))
        self.assertIsNone(process.poll())

    def test_a_zombie_is_dead(self) -> None:
        process = self.child("true")
        assert process.stdout is not None
        process.stdout.read()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        self.assertIsNone(procs.start_time(process.pid))

    def test_finds_and_kills_by_the_whole_nonce_only(self) -> None:
        mine = self.child("sh", "-c", "setsid sleep 60 & echo; wait", env=dict(os.environ, RUNCTL_NONCE="abc"))
        other = self.child("sleep", "60", env=dict(os.environ, RUNCTL_NONCE="abcd"))
        third = self.child("sleep", "60", env=dict(os.environ, NOT_RUNCTL_NONCE="abc"))
        assert mine.stdout is not None
        mine.stdout.readline()
        self.assertGreaterEqual(len(procs.pids_with_nonce("abc")), 1)
        self.assertTrue(procs.kill_nonce("abc"))
        self.assertEqual(mine.wait(10), -signal.SIGKILL)
        self.assertEqual([other.poll(), third.poll()], [None, None])


def attempt(**changes: "Any") -> "Dict[str, Any]":
    base: "Dict[str, Any]" = {
        "nonce": "n",
        "allowance": {"seq": 1, "seconds": 100, "hardSeconds": 200},
        "endPolicy": {"action": "none", "afterSeconds": 0},
        "deadlineAt": None,
        "maxDurationSeconds": None,
        "stop": {"signal": "SIGTERM", "graceSeconds": 3},
        "checkpoints": None,
    }
    base.update(changes)
    return base


class LimitsTest(Folder):
    def setUp(self) -> None:
        super().setUp()
        self.write("guard.conf", b"200 60 60 3 SIGTERM n none\n")

    def test_counts_uptime_from_the_attempts_begin(self) -> None:
        limits = Limits(attempt(maxDurationSeconds=50), self.dir, 1000.0)
        self.assertIsNone(limits.reached(1099.9, None, "2026-01-01T00:00:00Z"))
        self.assertEqual((limits.reached(1100, None, "") or ("",))[0], "allowance")
        self.assertEqual((limits.reached(1060, 1010, "") or ("",))[0], "max-duration")
        self.assertIsNone(limits.reached(1060, 1011, ""))

    def test_an_allowance_only_grows_newer_and_reaches_the_guardian_and_a_successor(self) -> None:
        limits = Limits(attempt(), self.dir, 0.0)
        self.assertFalse(limits.allow({"op": "allowance", "seq": 1, "seconds": 9, "hardSeconds": 9}))
        self.assertTrue(limits.allow({"op": "allowance", "seq": 2, "seconds": None, "hardSeconds": 500}))
        self.assertEqual(
            records.read_record(self.path("allowance.json")), {"seq": 2, "seconds": None, "hardSeconds": 500}
        )
        with open(self.path("guard.conf")) as file:
            self.assertEqual(file.read(), "500 60 60 3 SIGTERM n none\n")
        self.assertEqual(Limits(attempt(), self.dir, 0.0).seq, 2)

    def test_the_hard_limit_is_called_a_deadline_only_when_there_is_one_and_it_has_passed(self) -> None:
        def named(deadline: "Any", wall: str) -> str:
            limits = Limits(
                attempt(deadlineAt=deadline, allowance={"seq": 1, "seconds": None, "hardSeconds": 5}), self.dir, 0.0
            )
            return (limits.reached(6, None, wall) or ("",))[0]

        self.assertEqual(named("2026-05-01T00:00:00.000Z", "2026-05-01T00:00:01.000Z"), "deadline")
        self.assertEqual(named("2026-05-01T00:00:00.000Z", "2026-04-01T00:00:01.000Z"), "guard")
        self.assertEqual(named(None, "2026-05-01T00:00:01.000Z"), "guard")


class ControlTest(Folder):
    def test_in_order_and_once(self) -> None:
        control = Control(self.dir)
        for number in (10, 2, 1):
            records.write_record(self.path("control", "%d.json" % number), {"op": str(number)})
        self.write("control/3.json", b"{ half")
        self.write("control/new.77", b"x")
        seen: "List[str]" = []

        def execute(command: "Dict[str, Any]") -> str:
            seen.append(command["op"])
            return "ok"

        control.run(execute)
        control.run(execute)
        Control(self.dir).run(execute)
        self.assertEqual(seen, ["1", "2", "10"])
        done = records.read_record(self.path("control", "3.done"))
        self.assertIn("no JSON", (done or {})["result"])

    def test_a_command_without_its_fields_is_answered(self) -> None:
        control = Control(self.dir)
        records.write_record(self.path("control", "1.json"), {})
        control.run(lambda command: command["op"])
        self.assertIn("not a command", (records.read_record(self.path("control", "1.done")) or {})["result"])


class LogTest(Folder):
    def lines(self, patterns: "List[str]", names: "Any" = None) -> "tuple[LogLines, Dict[str, float]]":
        noted: "Dict[str, float]" = {}
        return LogLines(self.path("log"), patterns, noted.update, names), noted

    def test_metrics_are_named_as_the_controller_names_them(self) -> None:
        look, noted = self.lines(
            [r"l=([0-9.]+)", r"(?<name>\w+)!(?<value>[0-9.]+)", r"a=(?<step>\d+) v=(?<value>\S+)"],
            ["val/loss", None, "v"],
        )
        self.write("log", b"l=0.5 acc!0.9\na=3 v=7\n")
        look.look()
        self.assertEqual(noted, {"val/loss": 0.5, "acc": 0.9, "v": 7.0})

    def test_steps_and_metrics(self) -> None:
        look, noted = self.lines([r"loss=(?<loss>[0-9.e-]+)", r"(acc)uracy: ([0-9.]+)", "(unclosed"])
        self.write(
            "log",
            b'step 3 loss=0.5\n{"global_step": 12, "x": 1}\naccuracy: 0.75\nsteps_total=99 footstep 7\nloss=0.25 half',
        )
        look.look()
        self.assertEqual(look.step, 12)
        self.assertEqual(noted, {"loss": 0.5, "acc": 0.75, "step": 12})
        with open(self.path("log"), "ab") as file:
            file.write(b" line\n")
        look.look()
        self.assertEqual(noted["loss"], 0.25)

    def test_a_flood_without_newlines_costs_no_memory(self) -> None:
        look, _ = self.lines([])
        self.write("log", b"x" * (8 << 20))
        look.look()
        with open(self.path("log"), "ab") as file:
            file.write(b"\nstep 5\n")
        look.look()
        self.assertEqual(look.step, 5)
        self.assertEqual(look.size, (8 << 20) + 8)

    def test_chunks_resume_after_an_unknown_outcome(self) -> None:
        store = open_store("", {"kind": "file", "settings": {"root": self.path("store")}}, {})
        self.write("log", b"one")
        LogShip(store, self.path("log"), "log/1/").ship()
        self.write("log", b"one two three")
        again = LogShip(store, self.path("log"), "log/1/")
        # It believes that nothing was sent: what is there counts.
        again.offset = 0
        self.assertEqual(again.ship(final=True), 13)
        again.close()
        self.assertEqual([store.get_bytes(key) for key, _ in store.list("log/1/")], [b"one", b" two three"])


class CausesTest(Folder):
    def cause(self, exit: "Any", stop: "Any" = None, done: bool = False, full: bool = False) -> str:
        os.makedirs(self.path("job"), exist_ok=True)
        stopping = Stopping(self.dir, attempt())
        if stop:
            stopping.begin(stop)
        if done:
            self.write("job/done", b"")
        return cause_of(self.dir, exit, "python3", True, stopping, full)[0]

    def test_the_first_cause_wins(self) -> None:
        later = {"code": 0, "signal": None, "endedUptime": procs.uptime() + 60}
        earlier = {"code": 0, "signal": None, "endedUptime": procs.uptime() - 60}
        self.assertEqual(self.cause(later), "exit")
        self.assertEqual(self.cause(later, stop="stop"), "stop")
        os.unlink(self.path("notice.json"))
        self.assertEqual(self.cause(earlier, stop="stop"), "exit")
        os.unlink(self.path("notice.json"))
        self.assertEqual(self.cause(later, stop="notice", done=True), "notice")
        os.unlink(self.path("notice.json"))
        self.assertEqual(self.cause(later, stop="notice"), "done-file")
        self.assertEqual(self.cause({"code": 1, "endedUptime": 0}, full=True), "done-file")
        os.unlink(self.path("job", "done"))
        self.assertEqual(
            self.cause({"code": 1, "endedUptime": procs.uptime() + 9, "spawnError": "gone"}), "spawn-failed"
        )
        os.unlink(self.path("notice.json"))
        self.assertEqual(self.cause({"code": 1, "endedUptime": 0}, full=True), "disk-full")
        self.assertEqual(self.cause({"code": 0, "endedUptime": 0}, full=True), "exit")


class NoticeTest(Folder):
    def decide(self, left: float, upload: "Any", grace: float = 60.0) -> "tuple[Any, str]":
        told: "List[str]" = []

        class Ctx:
            emit = staticmethod(lambda event: None)
            decision = staticmethod(told.append)

        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(1_000_000_000 + left))
        with mock.patch("time.time", return_value=1_000_000_000.0):
            found = grace_for(Ctx(), {"action": "terminate", "at": at}, grace, upload)  # type: ignore[arg-type]
        return found, told[-1]

    def test_P14_a_save_that_does_not_fit_is_skipped_and_that_is_told(self) -> None:
        found, told = self.decide(100, 75.0)
        self.assertEqual(found, 0.0)
        self.assertIn("no new checkpoint is asked for: its upload takes 75 s, 100 s are left", told)
        self.assertEqual(
            self.decide(100, 60.0), (39.0, "the job is told to save: 100 s are left, an upload takes 60 s")
        )
        self.assertEqual(self.decide(100, None)[0], 60.0)
        self.assertEqual(self.decide(-5, 0.1)[0], 0.0)


class ClockTest(Folder):
    def test_jumps_of_the_wall_clock_change_no_limit_and_no_status(self) -> None:
        self.write("guard.conf", b"200 60 60 3 SIGTERM n none\n")
        limits = Limits(attempt(maxDurationSeconds=50), self.dir, 1000.0)
        status = Status(self.dir)
        uptimes = []
        for wall in (2e9, 1e9, 4e9, 0.0):
            with mock.patch("time.time", return_value=wall):
                self.assertIsNone(limits.reached(1099.0, 1060.0, records.iso_now()))
                self.assertEqual((limits.reached(1100.0, 1060.0, records.iso_now()) or ("",))[0], "allowance")
                status.enter("training")
                status.write({"trainingSeconds": 0, "n": wall})
                record = records.read_record(self.path("status.json")) or {}
                uptimes.append(record["uptime"])
                self.assertTrue(all(0 <= seconds < 60 for seconds in record["seconds"].values()), record)
        self.assertEqual(uptimes, sorted(uptimes))
        self.assertEqual(record["seq"], 4)


class ImportTest(unittest.TestCase):
    def test_the_way_to_the_training_imports_no_slow_module(self) -> None:
        slow = [
            "typing",
            "subprocess",
            "argparse",
            "logging",
            "dataclasses",
            "inspect",
            "hashlib",
            "socket",
            "urllib",
            "tempfile",
            "shutil",
            "zipfile",
        ]
        code = (
            "import sys, runctl_agent.attempt.supervisor, runctl_agent.setup.prepare; print([n for n in %r if n in sys.modules])"
            % slow
        )
        root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        code = "import sys; sys.path.insert(0, %r); %s" % (root, code)
        found = subprocess.run([sys.executable, "-I", "-S", "-B", "-c", code], stdout=subprocess.PIPE, check=True)
        self.assertEqual(found.stdout.decode().strip(), "[]")


class JournalTest(Folder):
    def test_event_lines_are_ascii_and_whole(self) -> None:
        # The controller counts events.jsonl in bytes and reads characters.
        journal = Journal(self.dir)
        journal.decision("caf\u00e9 \U0001f600\nnext")
        journal.emit({"type": "x", "at": "then"})
        with open(self.path("events.jsonl"), "rb") as file:
            lines = file.read().splitlines()
        self.assertTrue(all(line.isascii() for line in lines))
        self.assertEqual(json.loads(lines[0].decode())["what"], "caf\u00e9 \U0001f600\nnext")
        self.assertEqual(json.loads(lines[1].decode()), {"type": "x", "at": "then"})


if __name__ == "__main__":
    unittest.main()

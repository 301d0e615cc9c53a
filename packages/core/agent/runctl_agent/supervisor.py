"""The loop of one attempt: setup, training, stop, last uploads, end policy. Started and restarted by the guardian."""
from __future__ import annotations

import json
import os
import select
import sys
import threading

from . import procs, reserve, revive, runner
from .boots import begun_uptime
from .context import Cancelled, Context, SetupError
from .control import Control
from .endpolicy import EndPolicy
from .finish import Ending, Finish
from .hostlock import HostLock
from .limits import Limits
from .records import iso_now, read_record
from .setup import Prepared, Refused, prepare
from .ship import Ship
from .status import Status
from .stopping import Stopping
from .store import StoreError, open_store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional

TICK = 0.5
GUARDIAN_CHECK_SECONDS = 2.0
LEFTOVER_SECONDS = 2.0
# The guardian gives the last uploads 120 s after the grace.
UPLOAD_SECONDS = 110.0
ACTIONS_THAT_STOP = ("terminate", "stop", "hibernate")


def supervise(dir: str, agent: str) -> None:
    """Runs the attempt in `dir` to its end. Ends at once when another supervisor of it is alive."""
    import fcntl

    lock = os.open(os.path.join(dir, "supervisor.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        # A record lock: unlike flock's it does not pass to the forked runner.
        fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return
    text = sys.stdin.buffer.read()
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    secrets = json.loads(text.decode("utf-8")) if text.strip() else None
    attempt = read_record(os.path.join(dir, "attempt.json"))
    if attempt is None:
        sys.exit("attempt.json is missing or no JSON object")
    Supervisor(dir, agent, attempt, secrets).run()


class Supervisor:
    """One attempt. Everything here happens in the main thread unless it says otherwise."""

    def __init__(self, dir: str, agent: str, attempt: "Dict[str, Any]", secrets: "Optional[Dict[str, Any]]") -> None:
        self.dir = dir
        self.agent = agent
        self.attempt = attempt
        self.wake_read, self._wake_write = os.pipe()
        os.set_blocking(self.wake_read, False)
        os.set_blocking(self._wake_write, False)
        self._emit_lock = threading.Lock()
        home = os.path.dirname(os.path.dirname(os.path.dirname(dir)))
        given = secrets or {"env": {}, "stores": {}}
        needs = bool(attempt["secretNames"]) or any(store["access"]["kind"] != "file" for store in attempt["stores"])
        self.secrets_lost = secrets is None and needs
        stores = [
            open_store(store["prefix"], store["access"], given["stores"].get(str(index), {}))
            for index, store in enumerate(attempt["stores"])
        ]
        self.ctx = Context(
            attempt=attempt,
            dir=dir,
            home=home,
            cache=os.path.dirname(os.path.dirname(agent)),
            work=os.path.join(dir, "work"),
            stores=stores,
            secrets_env=given["env"],
            emit=self.emit,
            decision=lambda text: self.emit({"type": "decision", "what": text}),
            uptime=procs.uptime,
            setup_log=self.setup_log,
            cancelled=threading.Event(),
        )
        os.makedirs(os.path.join(dir, "job"), mode=0o700, exist_ok=True)
        begun = begun_uptime(dir)
        self.rebooted = begun is None
        self.limits = Limits(attempt, dir, procs.uptime() if begun is None else begun)
        self.limits.restore_policy()
        self.status = Status(dir)
        self.stopping = Stopping(dir, attempt)
        self.control = Control(dir)
        self.ship = Ship(self.ctx)
        self.policy = EndPolicy(dir, attempt["hooks"])
        self.state = "setup"
        self.runner = None  # type: Optional[runner.Runner]
        self.running = None  # type: Optional[Dict[str, Any]]
        self.host_lock = None  # type: Optional[HostLock]
        self.prepared = None  # type: Optional[Prepared]
        self.failure = None  # type: Optional[tuple[str, Optional[Dict[str, Any]]]]
        self.finish = None  # type: Optional[Finish]
        self.ending = None  # type: Optional[Ending]
        self.publisher = None  # type: Any
        self.outputs = None  # type: Any
        self.lines = None  # type: Any
        self.notices = []  # type: List[Dict[str, Any]]
        self.over = threading.Event()
        self.worker = None  # type: Optional[threading.Thread]
        self.watch_fd = -1
        self.done_first = False
        self.disk_full_at = None  # type: Optional[float]
        self._feed_fd = os.open(os.path.join(dir, "feed"), os.O_WRONLY | os.O_CREAT, 0o600)
        self._fed = self._checked = self._looked = -1e9
        self._leftovers_until = 0.0

    # --- what the other parts call, from any thread

    def emit(self, event: "Dict[str, Any]") -> None:
        """A line of events.jsonl, whole or not at all."""
        line = json.dumps(dict(event, at=event.get("at") or iso_now())).encode("ascii") + b"\n"
        with self._emit_lock:
            try:
                fd = os.open(os.path.join(self.dir, "events.jsonl"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
                try:
                    size = os.fstat(fd).st_size
                    if os.write(fd, line) != len(line):
                        os.ftruncate(fd, size)
                finally:
                    os.close(fd)
            except OSError:
                pass

    def setup_log(self, text: str) -> None:
        """Appends to setup.log."""
        try:
            with open(os.path.join(self.dir, "setup.log"), "ab", buffering=0) as file:
                file.write(text.encode("utf-8", "replace"))
        except OSError:
            pass

    def wake(self) -> None:
        """Makes the loop look at once."""
        try:
            os.write(self._wake_write, b"w")
        except OSError:
            pass

    # --- the loop

    def run(self) -> None:
        """To the end of the attempt."""
        self.feed()
        if os.path.exists(os.path.join(self.dir, "final.json")):
            self.state = "policy"
        elif self.rebooted:
            self.recover_records()
            self.end("reboot", None)
        elif read_record(os.path.join(self.dir, "runner.json")) is not None:
            self.adopt()
        elif self.secrets_lost:
            self.end("agent-lost", None)
        else:
            self.begin_setup()
        while self.state != "over":
            self.tick()
            if self.state == "over":
                break
            wait = [self.wake_read] + ([self.watch_fd] if self.watch_fd >= 0 and self.state == "training" else [])
            ready = select.select(wait, [], [], self.timeout())[0]
            if self.wake_read in ready:
                try:
                    os.read(self.wake_read, 4096)
                except BlockingIOError:
                    pass
        self.over.set()
        # Threads that hang in a dead network must not keep this process.
        os._exit(0)

    def timeout(self) -> float:
        """Seconds until there may be something to do that nobody wakes us for."""
        if self.state == "leftovers":
            return 0.02
        if self.stopping.kill_at is not None and self.state == "training":
            return max(0.02, min(TICK, self.stopping.kill_at - procs.uptime()))
        if self.state == "training" and self.watch_fd < 0:
            return 0.1
        return TICK

    def tick(self) -> None:
        """One look at everything."""
        now = procs.uptime()
        if now - self._fed >= 1.0:
            self.feed()
        self.control.run(self.execute)
        if now - self._checked >= GUARDIAN_CHECK_SECONDS:
            self._checked = now
            if not revive.running(os.path.join(self.dir, "guardian.pid")):
                revive.start_guardian(self.dir, self.agent)
        if self.state in ("setup", "training"):
            self.look_for_reasons(now)
        if self.state == "setup":
            self.tick_setup(now)
        if self.state == "training":
            self.tick_training(now)
        if self.state == "leftovers":
            self.tick_leftovers(now)
        if self.state == "finishing":
            self.tick_finishing(now)
        if self.state == "policy" and self.policy.step(self.limits.policy):
            self.state = "over"
        if self.state not in ("policy", "over"):
            self.write_status(now)

    def feed(self) -> None:
        """The guardian's food. In place: it must also work on a full disk."""
        self._fed = procs.uptime()
        try:
            os.pwrite(self._feed_fd, b"%020.3f\n" % self._fed, 0)
        except OSError:
            pass

    def execute(self, command: "Dict[str, Any]") -> str:
        """A command of the controller."""
        op = command["op"]
        if op == "stop":
            grace = command.get("graceSeconds")
            return "ok" if self.stop(str(command["cause"]), None if grace is None else float(grace)) else "already ending"
        if op == "cancel":
            return "ok" if self.stop("cancel") else "already ending"
        if op == "allowance":
            return "ok" if self.limits.allow(command) else "older than the one in force"
        if op == "end-policy":
            self.limits.set_policy(str(command["action"]), float(command["afterSeconds"]))
            return "ok"
        return "unknown operation"

    def stop(self, cause: str, grace: "Optional[float]" = None, until: "Optional[str]" = None, detail: "Optional[str]" = None) -> bool:
        """Begins to end setup or training; the first cause wins."""
        if self.state not in ("setup", "training"):
            return False
        if self.stopping.cause is None and os.path.exists(os.path.join(self.dir, "job", "done")):
            self.done_first = True
        first = self.stopping.begin(cause, grace, until, detail)
        self.stop_setup()
        if self.state == "training" and first:
            self.status.enter("stopping")
        return first

    def stop_setup(self) -> None:
        """Interrupts setup: its loops by the flag, its commands by their mark."""
        if self.state == "setup":
            self.ctx.cancelled.set()
            procs.kill_nonce(self.attempt["nonce"], 1.0, "RUNCTL_AGENT_NONCE")

    def look_for_reasons(self, now: float) -> None:
        """The guardian's notice, limits, the provider's notice."""
        if self.stopping.recall():
            self.stop_setup()
            if self.state == "training":
                self.status.enter("stopping")
        since = self.running["startedUptime"] if self.running else None
        if self.stopping.cause is None:
            reached = self.limits.reached(now, since, iso_now())
            if reached:
                self.stop(reached[0], None, None, reached[1])
        while self.notices:
            self.take_notice(self.notices.pop(0))

    def take_notice(self, notice: "Dict[str, Any]") -> None:
        """The provider is about to take the machine: use the time that is left for one more checkpoint, if one fits."""
        from .notice import seconds_left

        self.emit({"type": "notice", "action": notice["action"], "until": notice["at"], "source": "hook"})
        if notice["action"] not in ACTIONS_THAT_STOP:
            self.ctx.decision("%s announced: training goes on" % notice["action"])
            return
        left = seconds_left(notice["at"])
        grace = self.stopping.grace_seconds
        if left is not None:
            upload = getattr(self.publisher, "save_seconds", None) or 0.0
            grace = max(0.0, min(grace, left - upload - 1.0))
            if self.publisher is not None and upload >= 0.7 * left:
                self.ctx.decision("no new checkpoint is asked for: saving and uploading takes %.0f s, %.0f s are left" % (upload, left))
                grace = 0.0
            else:
                self.ctx.decision("the job is told to save: %.0f s are left, an upload takes %.0f s" % (left, upload))
        else:
            self.ctx.decision("the job is told to save: the notice names no time")
        self.stop("notice", grace, notice["at"], notice["action"])

    # --- setup

    def begin_setup(self) -> None:
        """Takes the locks, forks the waiting runner while there is one thread, then prepares in a second one."""
        import fcntl

        reserve.make(self.dir)
        lock = os.open(os.path.join(self.dir, "runner.lock"), os.O_RDWR | os.O_CREAT, 0o600)
        while True:
            # A predecessor's runner may be between its order and its record.
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                select.select([], [], [], 0.02)
                self.feed()
            if read_record(os.path.join(self.dir, "runner.json")) is not None:
                os.close(lock)
                self.adopt()
                return
        if read_record(os.path.join(self.dir, "runner.json")) is not None:
            os.close(lock)
            self.adopt()
            return
        self.host_lock = HostLock(self.ctx.home, self.dir, self.attempt)
        self.runner = runner.Runner(self.dir, lambda: revive.revive_both(self.dir, self.agent))
        os.close(lock)
        # Commands of setup (pip, docker build) can be found by it; the training gets a mark of its own.
        os.environ["RUNCTL_AGENT_NONCE"] = self.attempt["nonce"]
        self.worker = threading.Thread(target=self.setup_thread, name="setup", daemon=True)
        self.worker.start()
        self.ship.start()
        self.start_notices()

    def setup_thread(self) -> None:
        """In the setup thread."""
        try:
            self.prepared = prepare(self.ctx, self.host_lock.holder if self.host_lock else None, self.enter, self.note_resumed)
        except Refused as refused:
            self.failure = (refused.cause, refused.error)
        except Cancelled:
            self.failure = ("cancel", None)
        except SetupError as error:
            self.failure = ("setup-failed", {"what": error.what, "why": error.why, "fix": error.fix})
        except StoreError as error:
            fix = ["Look at the store's folder or rights, then start again"]
            self.failure = ("setup-failed", {"what": str(error), "why": "Setup needs the run's store.", "fix": fix})
        except BaseException as error:  # noqa: BLE001 - a bug here must end the attempt, not hang it
            import traceback

            traceback.print_exc()
            fix = ["Look at agent.log in the attempt's folder, and report this"]
            self.failure = ("setup-failed", {"what": "the host agent failed: %s: %s" % (type(error).__name__, error), "why": "", "fix": fix})
        self.wake()

    def enter(self, phase: str) -> None:
        """A new phase, shown at once."""
        self.status.enter(phase)
        self.wake()

    def note_resumed(self, result: "Any") -> None:
        """What the training begins from."""
        self.status.resumed_from = None if result is None else result.manifest_key
        self.restored = self.status.resumed_from

    def tick_setup(self, now: float) -> None:
        """Is setup through, or told to end?"""
        worker = self.worker
        if worker is None:
            return
        if self.stopping.cause is not None:
            # Setup stops at its next step; one that hangs is left behind.
            if worker.is_alive() and now < (self.stopping.kill_at or now) + 5.0 and self.prepared is None and self.failure is None:
                return
            self.dismiss()
            self.end(self.stopping.cause, None)
        elif self.failure is not None:
            self.dismiss()
            self.end(self.failure[0], self.failure[1])
        elif self.prepared is not None:
            self.launch(self.prepared)

    def dismiss(self) -> None:
        """Nothing is to run."""
        if self.runner is not None:
            self.runner.dismiss()

    def launch(self, prepared: Prepared) -> None:
        """Hands the command line to the runner."""
        assert self.runner is not None
        env = {name: value for name, value in prepared.env.items() if name != "RUNCTL_AGENT_NONCE"}
        try:
            self.runner.launch(prepared.argv, env, prepared.cwd)
        except OSError as error:
            self.end("spawn-failed", {"what": "the training's parent process is gone: %s" % error, "why": "", "fix": []})
            return
        self.watch_fd = self.runner.done
        self.state = "training"
        self.status.enter("training")
        self.start_helpers()

    def start_helpers(self) -> None:
        """What goes on beside the training."""
        from .loglines import LogLines

        self.ctx.current_progress = None
        checkpoints = self.attempt["checkpoints"]
        if checkpoints is not None:
            from .publisher import Publisher

            self.publisher = Publisher(self.ctx, self.status.resumed_from)
            self.publisher.start()
        self.lines = LogLines(
            os.path.join(self.dir, "log"),
            checkpoints["metricPatterns"] if checkpoints else [],
            None if self.publisher is None else self.publisher.note_metrics,
        )
        threading.Thread(target=self.outputs_thread, name="outputs", daemon=True).start()

    def outputs_thread(self) -> None:
        """In the outputs thread: collects what is due while the training runs."""
        self.load_outputs()
        while self.state == "training" and not self.over.wait(1.0):
            if self.state != "training" or self.outputs is None:
                return
            try:
                self.outputs.collect(False, False)
            except (StoreError, OSError) as error:
                self.setup_log("runctl: collecting outputs failed, will be tried again: %s\n" % error)

    def load_outputs(self) -> None:
        """Outputs come with the transfer part."""
        if self.outputs is None:
            try:
                from .transfer import Outputs
            except ImportError:
                return
            self.outputs = Outputs(self.ctx)

    def start_notices(self) -> None:
        """The provider's notice hook."""
        hook = self.attempt["hooks"]["notice"]
        if hook is not None:
            from .notice import watch

            def report(said: "Dict[str, Any]") -> None:
                self.notices.append(said)
                self.wake()

            threading.Thread(target=watch, args=(hook, self.dir, report, self.over), name="notice", daemon=True).start()

    # --- training

    def adopt(self) -> None:
        """A restarted supervisor: the training went on without it."""
        record = read_record(os.path.join(self.dir, "runner.json"))
        assert record is not None
        self.running = record
        if self.secrets_lost:
            self.ctx.decision("the supervisor was restarted without its keys: the store cannot be reached from here any more")
        fd = runner.open_pidfd(int(record["runnerPid"])) if self.alive("runnerPid", "runnerStartTime") else None
        self.watch_fd = -1 if fd is None else fd
        self.state = "training"
        self.status.phase = "training"
        self.ctx.decision("the supervisor was restarted and goes on with the running training")
        self.ship.start()
        self.start_helpers()
        self.start_notices()

    def alive(self, pid: str, start: str) -> bool:
        """Is that process of runner.json running?"""
        record = self.running
        return record is not None and procs.is_alive(int(record[pid]), record[start], str(record["bootId"]))

    def tick_training(self, now: float) -> None:
        """Has it ended, does it have to, what does it say?"""
        if self.running is None:
            self.running = read_record(os.path.join(self.dir, "runner.json"))
            if self.running is not None and self.stopping.unsent:
                # Told to stop between the order and the record.
                self.stopping.signal_leader()
        if self.gone():
            self.lines.look()
            self.note_disk()
            self._leftovers_until = now + (0.0 if self.stopping.cause == "cancel" else LEFTOVER_SECONDS)
            self.state = "leftovers"
            return
        if self.stopping.kill_at is not None and now >= self.stopping.kill_at:
            self.stopping.force()
        if now - self._looked >= 1.0:
            self._looked = now
            self.lines.look()
            self.note_disk()

    def gone(self) -> bool:
        """The exit record is there, or nobody is left who could write it."""
        if os.path.exists(os.path.join(self.dir, "exit.json")):
            return True
        if self.watch_fd >= 0 and not select.select([self.watch_fd], [], [], 0)[0]:
            return False
        if self.running is None:
            # Not even a record: the runner died before it started anything.
            self.running = read_record(os.path.join(self.dir, "runner.json"))
            return self.running is None
        self.watch_fd = -1  # The runner was killed: from now on the leader is looked at.
        if self.alive("runnerPid", "runnerStartTime") or self.alive("pid", "startTime"):
            return False
        return True

    def note_disk(self) -> None:
        """Remembers when the disk was last seen full."""
        try:
            found = os.statvfs(self.dir)
        except OSError:
            return
        if found.f_bavail * found.f_frsize < 65536:
            if self.disk_full_at is None:
                self.ctx.decision("the disk is full: training goes on, records and uploads use the reserve")
            self.disk_full_at = procs.uptime()

    def tick_leftovers(self, now: float) -> None:
        """Children that outlive the leader get a moment, then end."""
        nonce = self.attempt["nonce"]
        if procs.pids_with_nonce(nonce):
            if now < self._leftovers_until:
                return
            procs.kill_nonce(nonce, 5.0)
        exit = read_record(os.path.join(self.dir, "exit.json"))
        cause, error = self.cause_of(exit)
        self.end(cause, error, exit)

    def cause_of(self, exit: "Optional[Dict[str, Any]]") -> "tuple[str, Optional[Dict[str, Any]]]":
        """The first cause wins; an exit code says nothing about it."""
        if exit is not None and exit.get("spawnError"):
            program = (self.prepared.argv if self.prepared else self.attempt["argv"])[0]
            return "spawn-failed", {
                "what": "%r could not be started: %s" % (program, exit["spawnError"]),
                "why": "It was looked for on the PATH of the training host and in the working folder.",
                "fix": ["Check the command's first word, its path and its executable bit"],
            }
        if exit is None and self.running is None:
            return "spawn-failed", {"what": "the training's parent process died before it started anything", "why": "", "fix": []}
        if self.done_first:
            return "done-file", None
        if self.stopping.cause is not None:
            return self.stopping.cause, None
        if os.path.exists(os.path.join(self.dir, "job", "done")):
            return "done-file", None
        full = self.disk_full_at is not None and procs.uptime() - self.disk_full_at < 60.0
        if full and (exit is None or exit.get("code") != 0):
            return "disk-full", {
                "what": "the disk of the training host is full",
                "why": "The training ended while nothing could be written.",
                "fix": ["Ask for a larger disk", "Keep fewer checkpoints on the host"],
            }
        return "exit", None

    # --- the end

    def recover_records(self) -> None:
        """After a reboot: what the earlier boot left."""
        self.running = read_record(os.path.join(self.dir, "runner.json"))
        if self.running is not None:
            checkpoints = self.attempt["checkpoints"]
            if checkpoints is not None and not self.secrets_lost:
                from .publisher import Publisher

                self.publisher = Publisher(self.ctx, self.status.resumed_from)

    def end(self, cause: str, error: "Optional[Dict[str, Any]]", exit: "Optional[Dict[str, Any]]" = None) -> None:
        """Begins the last uploads."""
        if cause == "busy":
            # The machine is another run's: ending it is not ours.
            self.limits.set_policy("none", 0)
        started = self.running.get("startedAt") if self.running else None
        self.ending = Ending(cause, exit, error, started)
        if self.running is not None or self.state in ("training", "leftovers"):
            self.load_outputs()
        self.status.enter("uploading")
        give_up = max(self.limits.hard_at, procs.uptime()) + UPLOAD_SECONDS
        self.finish = Finish(self.ctx, self.ship, self.publisher, self.outputs, give_up)
        self.give_up_at = give_up
        self.state = "finishing"
        self.write_status(procs.uptime())
        self.worker = threading.Thread(target=self.finish_thread, name="finish", daemon=True)
        self.worker.start()

    def finish_thread(self) -> None:
        """In the finishing thread."""
        assert self.finish is not None and self.ending is not None
        try:
            self.finish.upload(self.ending)
        finally:
            self.wake()

    def tick_finishing(self, now: float) -> None:
        """The last record, when the uploads are through or their time is."""
        assert self.finish is not None and self.ending is not None and self.worker is not None
        if self.worker.is_alive():
            # The thread wakes us as its last act.
            self.worker.join(0.01)
        if self.worker.is_alive() and now < self.give_up_at:
            return
        if self.worker.is_alive():
            self.finish.lost.append("uploads that the time limit cut off")
        self.status.enter("done")
        self.write_status(now)
        if self.runner is not None:
            self.runner.wait(2.0)
        if self.host_lock is not None:
            self.host_lock.release()
        facts = self.checkpoint_facts()
        facts["seconds"] = self.status.lengths()
        facts["logBytes"], facts["setupLogBytes"] = self.size("log"), self.size("setup.log")
        self.finish.record(self.ending, facts)
        self.state = "policy"

    # --- status

    def size(self, name: str) -> int:
        """Of a file in the attempt's folder."""
        try:
            return os.stat(os.path.join(self.dir, name)).st_size
        except OSError:
            return 0

    def checkpoint_facts(self) -> "Dict[str, Any]":
        """For final.json."""
        publisher = self.publisher
        return {
            "resumedFrom": self.status.resumed_from,
            "published": 0 if publisher is None else publisher.published,
            "newestCheckpoint": None if publisher is None else publisher.newest,
        }

    def write_status(self, now: float) -> None:
        """Cheap enough for every tick."""
        running, publisher = self.running, self.publisher
        ended = self.ending.exit.get("endedUptime") if self.ending and self.ending.exit else None
        self.status.write(
            {
                "trainingSeconds": round((ended or now) - running["startedUptime"], 3) if running and not self.rebooted else 0,
                "startedAt": running["startedAt"] if running else None,
                "step": self.lines.step if self.lines else None,
                "logBytes": self.size("log"),
                "setupLogBytes": self.size("setup.log"),
                "checkpoint": publisher.newest if publisher else None,
                "published": publisher.published if publisher else 0,
                "uploading": publisher.uploading if publisher else None,
                "detail": self.stopping.detail,
                "progress": self.ctx.current_progress,
                "allowanceSeq": self.limits.seq,
                "pid": running["pid"] if running else None,
            }
        )

"""The loop of one attempt: setup, training, stop, last uploads, end policy. Started and restarted by the guardian."""

from __future__ import annotations

import json
import os
import select
import sys
import threading

from .. import procs, reserve
from ..journal import Journal
from ..records import iso_now, read_record
from ..setup.work import SetupWork
from ..uploads.claimed import is_claimed
from ..uploads.ship import Ship
from . import revive, runner
from .beside import Beside
from .boots import begun_uptime
from .causes import cause_of
from .control import Control
from .disk import DiskWatch
from .endpolicy import EndPolicy
from .finish import Ending, Finish
from .hostlock import HostLock
from .limits import Limits
from .notice import seconds_left
from .opening import needs_secrets, open_context
from .status import Status
from .stopping import Stopping
from .tidy import tidy_folder, tidy_store
from .training import Training

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional

TICK = 0.5
GUARDIAN_CHECK_SECONDS = 2.0
LEFTOVER_SECONDS = 2.0
HUNG_SETUP_SECONDS = 5.0


def supervise(dir: str, agent: str) -> None:
    """Runs the attempt in `dir` to its end. Ends at once when another supervisor of it is alive."""
    import fcntl

    lock = os.open(os.path.join(dir, "supervisor.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        # A record lock: unlike flock's it does not pass to the forked runner.
        fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return
    revive.write_pid(os.path.join(dir, "supervisor.pid"))
    text = sys.stdin.buffer.read()
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    attempt = read_record(os.path.join(dir, "attempt.json"))
    if attempt is None:
        sys.exit("attempt.json is missing or no JSON object")
    Supervisor(dir, agent, attempt, json.loads(text.decode("utf-8")) if text.strip() else None).run()


class Supervisor:
    """One attempt. Everything here happens in the main thread unless it says otherwise."""

    def __init__(self, dir: str, agent: str, attempt: "Dict[str, Any]", secrets: "Optional[Dict[str, Any]]") -> None:
        self.dir = dir
        self.agent = agent
        self.attempt = attempt
        self.wake_read, self._wake_write = os.pipe()
        os.set_blocking(self.wake_read, False)
        os.set_blocking(self._wake_write, False)
        self.ctx = open_context(dir, agent, attempt, secrets, Journal(dir))
        self.secrets_lost = secrets is None and needs_secrets(attempt)
        os.makedirs(os.path.join(dir, "job"), mode=0o700, exist_ok=True)
        self.restarted = os.path.exists(os.path.join(dir, "begun.json"))
        begun = begun_uptime(dir)
        self.rebooted = begun is None
        self.limits = Limits(attempt, dir, procs.uptime() if begun is None else begun)
        self.status = Status(dir)
        self.stopping = Stopping(dir, attempt)
        self.control = Control(dir)
        self.ship = Ship(self.ctx)
        self.policy = EndPolicy(dir, attempt["hooks"])
        self.beside = Beside(self.ctx)
        self.disk = DiskWatch(self.ctx)
        self.training = Training(dir)
        self.state = "setup"  # setup, training, leftovers, finishing, policy, over
        self.runner: "Optional[runner.Runner]" = None
        self.host_lock: "Optional[HostLock]" = None
        self.setup: "Optional[SetupWork]" = None
        self.finish: "Optional[Finish]" = None
        self.ending: "Optional[Ending]" = None
        self.finisher: "Optional[threading.Thread]" = None
        self.notices: "List[Dict[str, Any]]" = []
        self.over = threading.Event()
        self._feed_fd = os.open(os.path.join(dir, "feed"), os.O_WRONLY | os.O_CREAT, 0o600)
        self._fed = self._checked = self._looked = -1e9
        self._leftovers_until = self._give_up_at = 0.0

    def run(self) -> None:
        """To the end of the attempt."""
        self.feed()
        if self.restarted and is_claimed(self.dir):
            own = [
                folder % self.attempt["attempt"] for folder in ("attempts/%d/", "log/%d/", "setup-log/%d/", "ckpt/%d/")
            ]
            tidy_store(self.ctx.stores[0], [self.ctx.run_prefix + folder for folder in own])
        if os.path.exists(os.path.join(self.dir, "final.json")):
            self.state = "policy"
        elif self.rebooted:
            if self.training.read() and not self.secrets_lost:
                self.beside.load_publisher(self.status.resumed_from)
            self.end("reboot", None)
        elif self.training.read():
            self.adopt()
        elif self.secrets_lost:
            self.end("agent-lost", None)
        else:
            self.begin_setup()
        while self.state != "over":
            self.tick()
            self.wait()
        self.over.set()
        # Threads that hang in a dead network must not keep this process.
        os._exit(0)

    def wake(self) -> None:
        """Makes the loop look at once. From any thread."""
        try:
            os.write(self._wake_write, b"w")
        except OSError:
            pass

    def wait(self) -> None:
        """Until somebody wakes us, the runner is gone, or there may be something to do that nobody tells."""
        fds = [self.wake_read]
        seconds = TICK
        if self.state == "over":
            return
        if self.state == "leftovers":
            seconds = 0.02
        if self.state == "training":
            if self.training.watch_fd >= 0:
                fds.append(self.training.watch_fd)
            else:
                seconds = 0.1
            if self.stopping.kill_at is not None:
                seconds = max(0.02, min(seconds, self.stopping.kill_at - procs.uptime()))
        if self.wake_read in select.select(fds, [], [], seconds)[0]:
            try:
                os.read(self.wake_read, 4096)
            except BlockingIOError:
                pass

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
        if self.state == "policy" and self.policy.step(self.limits.policy, self.limits.hard_at):
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

    # --- reasons to end

    def execute(self, command: "Dict[str, Any]") -> str:
        """A command of the controller."""
        op = command["op"]
        if op == "stop":
            grace = command.get("graceSeconds")
            return (
                "ok" if self.stop(str(command["cause"]), None if grace is None else float(grace)) else "already ending"
            )
        if op == "cancel":
            return "ok" if self.stop("cancel") else "already ending"
        if op == "allowance":
            return "ok" if self.limits.allow(command) else "older than the one in force"
        if op == "end-policy":
            self.limits.set_policy(str(command["action"]), float(command["afterSeconds"]))
            return "ok"
        return "unknown operation"

    def stop(
        self, cause: str, grace: "Optional[float]" = None, until: "Optional[str]" = None, detail: "Optional[str]" = None
    ) -> bool:
        """Begins to end setup or training; the first cause wins."""
        if self.state not in ("setup", "training"):
            return False
        first = self.stopping.begin(cause, grace, until, detail)
        self.after_stop()
        return first

    def after_stop(self) -> None:
        """Interrupts setup: its loops by the flag, its commands by their mark. The training was signalled already."""
        if self.state == "setup":
            self.ctx.cancelled.set()
            procs.kill_nonce(self.attempt["nonce"], 1.0, "RUNCTL_AGENT_NONCE")
        elif self.status.phase == "training":
            self.status.enter("stopping")

    def look_for_reasons(self, now: float) -> None:
        """The guardian's notice, limits, the provider's notice."""
        if self.stopping.recall():
            self.after_stop()
        if self.stopping.cause is None:
            reached = self.limits.reached(now, self.training.since, iso_now())
            if reached:
                self.stop(reached[0], None, None, reached[1])
        while self.notices:
            from .interruption import grace_for

            notice = self.notices.pop(0)
            upload = getattr(self.beside.publisher, "save_seconds", None)
            grace = grace_for(self.ctx, notice, self.stopping.grace_seconds, upload)
            if grace is not None:
                self.stop("notice", grace, notice["at"], notice["action"])

    def start_notices(self) -> None:
        """The provider's notice hook."""
        hook = self.attempt["hooks"]["notice"]
        if hook is None:
            return
        from .notice import watch

        def report(said: "Dict[str, Any]") -> None:
            self.notices.append(said)
            self.wake()

        threading.Thread(target=watch, args=(hook, self.dir, report, self.over), name="notice", daemon=True).start()

    # --- setup

    def begin_setup(self) -> None:
        """Takes the locks, forks the waiting runner while there is one thread, then prepares in a second one."""
        import fcntl

        reserve.make(self.dir)
        lock = os.open(os.path.join(self.dir, "runner.lock"), os.O_RDWR | os.O_CREAT, 0o600)
        while True:
            # A predecessor's runner may be between its order and its record: who has the lock knows that there is none.
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                held = True
            except OSError:
                held = False
            if self.training.read():
                os.close(lock)
                self.adopt()
                return
            if held:
                break
            self.feed()
            select.select([], [], [], 0.02)
        self.host_lock = HostLock(self.ctx.home, self.dir, self.attempt)
        self.runner = runner.Runner(self.dir, lambda: revive.revive_both(self.dir, self.agent))
        os.close(lock)
        # Commands of setup (pip, docker build) can be found by it; the training gets a mark of its own.
        os.environ["RUNCTL_AGENT_NONCE"] = self.attempt["nonce"]
        self.setup = SetupWork(self.ctx, self.host_lock.holder, self.wake)
        self.setup.start(self.enter, self.note_resumed)
        self.ship.start()
        self.start_notices()

    def enter(self, phase: str) -> None:
        """A new phase, shown at once. In the setup thread."""
        self.status.enter(phase)
        self.wake()

    def note_resumed(self, result: "Any") -> None:
        """What the training begins from. In the setup thread."""
        self.status.resumed_from = None if result is None else result.manifest_key

    def tick_setup(self, now: float) -> None:
        """Is setup through, or told to end?"""
        setup = self.setup
        if setup is None or self.runner is None:
            return
        cause = self.stopping.cause
        if cause is not None:
            # Setup stops at its next step; one that hangs is left behind.
            if setup.over or now >= (self.stopping.kill_at or now) + HUNG_SETUP_SECONDS:
                self.runner.dismiss()
                self.end(cause, None)
        elif setup.failure is not None:
            self.runner.dismiss()
            self.end(setup.failure[0], setup.failure[1])
        elif setup.prepared is not None:
            env = {name: value for name, value in setup.prepared.env.items() if name != "RUNCTL_AGENT_NONCE"}
            try:
                self.runner.launch(setup.prepared.argv, env, setup.prepared.cwd)
            except OSError as error:
                self.end(
                    "spawn-failed", {"what": "the training's parent process is gone: %s" % error, "why": "", "fix": []}
                )
                return
            self.training.watch_fd = self.runner.done
            self.begin_training()

    # --- training

    def adopt(self) -> None:
        """A restarted supervisor: the training went on without it."""
        if self.secrets_lost:
            self.ctx.decision(
                "the supervisor was restarted without its keys: the store cannot be reached from here any more"
            )
        self.training.adopt()
        self.ctx.decision("the supervisor was restarted and goes on with the running training")
        self.ship.start()
        self.start_notices()
        self.begin_training()

    def begin_training(self) -> None:
        """From here on it is the training that decides."""
        self.state = "training"
        self.status.enter("training")
        self.beside.start(self.status.resumed_from, lambda: self.state == "training", self.over)

    def tick_training(self, now: float) -> None:
        """Has it ended, does it have to, what does it say?"""
        if self.training.read() and self.stopping.unsent:
            # Told to stop between the order and the record.
            self.stopping.signal_leader()
        gone = self.training.gone()
        if gone or now - self._looked >= 1.0:
            self._looked = now
            self.beside.look()
            self.disk.look()
        if gone:
            self._leftovers_until = now + (0.0 if self.stopping.cause == "cancel" else LEFTOVER_SECONDS)
            self.state = "leftovers"
        elif self.stopping.kill_at is not None and now >= self.stopping.kill_at:
            self.stopping.force()

    def tick_leftovers(self, now: float) -> None:
        """Children that outlive the leader get a moment, then end."""
        nonce = self.attempt["nonce"]
        if procs.pids_with_nonce(nonce):
            if now < self._leftovers_until:
                return
            procs.kill_nonce(nonce, 5.0)
        if self.attempt.get("container"):
            # The engine's client may be dead and the container alive, where its processes are not ours to see.
            from ..setup.container import kill_named, name_of

            kill_named(name_of(self.attempt))
        exit = read_record(os.path.join(self.dir, "exit.json"))
        argv = self.setup.prepared.argv if self.setup and self.setup.prepared else self.attempt["argv"]
        started = self.training.record is not None
        cause, error = cause_of(self.dir, exit, argv[0], started, self.stopping, self.disk.lately_full)
        self.end(cause, error, exit)

    # --- the end

    def end(self, cause: str, error: "Optional[Dict[str, Any]]", exit: "Optional[Dict[str, Any]]" = None) -> None:
        """Begins the last uploads."""
        if cause == "busy":
            # The machine is another run's: ending it is neither ours nor our guardian's.
            self.limits.set_policy("none", 0)
            if os.path.exists(os.path.join(self.dir, "end.sh")):
                os.unlink(os.path.join(self.dir, "end.sh"))
        if self.training.record is not None:
            self.beside.load_outputs()
            self.beside.load_metrics()
            if self.beside.metrics is not None:
                self.beside.metrics.look(final=True)
        now = procs.uptime()
        self.ending = Ending(cause, exit, error, self.training.started_at)
        self._give_up_at = self.limits.uploads_until(now)
        left = seconds_left(self.stopping.until)
        if left is not None:
            # The machine goes away then: the last record has to be out before.
            self._give_up_at = min(self._give_up_at, now + max(2.0, left - 3.0))
        self.status.enter("uploading")
        self.state = "finishing"
        self.write_status(now)
        self.finish = Finish(self.ctx, self.ship, self.beside.publisher, self.beside.outputs, self._give_up_at)
        self.finisher = threading.Thread(target=self.finish_thread, name="finish", daemon=True)
        self.finisher.start()

    def finish_thread(self) -> None:
        """In the finishing thread."""
        assert self.finish is not None and self.ending is not None
        try:
            self.finish.upload(self.ending)
        finally:
            self.wake()

    def tick_finishing(self, now: float) -> None:
        """The last record, when the uploads are through or their time is."""
        assert self.finish is not None and self.ending is not None and self.finisher is not None
        # The thread wakes us as its last act.
        self.finisher.join(0.01)
        if self.finisher.is_alive():
            if now < self._give_up_at:
                return
            self.finish.lost.append("uploads that the time limit cut off")
        self.status.enter("done")
        self.write_status(now)
        if self.runner is not None:
            self.runner.wait(2.0)
        if self.host_lock is not None:
            self.host_lock.release()
        tidy_folder(self.dir)
        beside = self.beside.facts()
        facts = {
            "resumedFrom": self.status.resumed_from,
            "published": beside["published"],
            "newestCheckpoint": beside["checkpoint"],
            "seconds": self.status.lengths(),
            "logBytes": self.size("log"),
            "setupLogBytes": self.size("setup.log"),
            "metricsBytes": self.size("metrics.jsonl"),
        }
        self.finish.record(self.ending, facts)
        self.state = "policy"

    def size(self, name: str) -> int:
        """Of a file in the attempt's folder."""
        try:
            return os.stat(os.path.join(self.dir, name)).st_size
        except OSError:
            return 0

    def write_status(self, now: float) -> None:
        """Cheap enough for every tick."""
        record = self.training.record
        ended = self.ending.exit.get("endedUptime") if self.ending and self.ending.exit else None
        since = self.training.since
        facts = self.beside.facts()
        facts.update(
            trainingSeconds=round((ended or now) - since, 3) if since is not None and not self.rebooted else 0,
            startedAt=self.training.started_at,
            logBytes=self.size("log"),
            setupLogBytes=self.size("setup.log"),
            metricsBytes=self.size("metrics.jsonl"),
            detail=self.stopping.detail,
            progress=self.ctx.current_progress,
            allowanceSeq=self.limits.seq,
            pid=record["pid"] if record else None,
        )
        self.status.write(facts)

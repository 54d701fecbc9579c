"""The injections of bench/faults.py: let the robot walk, break something, judge what follows."""

import math
import time
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
from fault_bodies import still_adapter
from fault_graph import Graph
from fault_kinds import Kind, Sign
from fault_plant import Watch

from ros2_rl.errors import RecordError
from ros2_rl.recording.reader import Bag
from ros2_rl.robots import NS_PER_S
from ros2_rl.safety.blackbox import read_event

_CALM_S, _RETURN_S = 0.4, 300.0
"""Robot time under the policy before a fault; longest wall time until the robot walks again."""
_LATE_S = 30.0
"""Wall time after which a fault is taken to be over, whatever robot time says."""
_WATCHDOGS = ("state silence", "lasting state silence", "target silence")
_RECORDED_S = 2.0
"""Wall time that a recorder has before it may be broken: of the last second nothing is promised."""
_ENDS_S = 10.0
"""Longest wall time in which a process ends that ends by itself."""
_REPEATS = 0.02
"""Robot time that the graph itself takes to carry a message, s."""


@dataclass
class Verdict:
    """What came of one injection; a line of the log."""

    kind: str
    number: int
    at_s: float
    noticed: bool
    in_time: bool
    guard: str
    mode: str
    """At first: what the supervisor did."""
    notice_ms: float
    """Robot time from the fault to the state at which it was noticed."""
    reaction_ms: float | None
    """Robot time from that state to the safe command in the plant; None where a watchdog of wall time
    noticed, or no mode changed."""
    fell: bool
    tilt_deg: float
    ended: str
    safe: bool
    beyond_rad: float
    beyond_speed: float
    beyond_nm: float
    refused: int
    """Commands that the plant did not take though nobody had spoilt them."""
    record_lacks_s: float | None = None
    """How long before the fault the record ends, s of wall time; infinite when it cannot be read; None where
    the fault did not meet the recorder."""

    def to_json(self) -> dict:
        return asdict(self)


class Lost(RuntimeError):
    """The robot could not be brought back to walking."""


class Campaign:
    """Injects faults into one graph."""

    def __init__(self, graph: Graph, seed: int):
        self._graph, self._seed = graph, seed
        self._count, self._timeouts = EventCount(), 0

    @property
    def events(self) -> int:
        """Events that the supervisor says to have written."""
        return self._count.total

    # ---- before

    def _walk(self) -> None:
        """Bring the robot to walk under its policy, as a person would: mend, reset, stand, arm.

        Raises:
            Lost: it does not.
        """
        graph, end = self._graph, time.monotonic() + _RETURN_S
        graph.mend()
        while not self._walks():
            if time.monotonic() > end:
                raise Lost(f"the robot does not walk again: {graph.observer.mode} {graph.observer.values}")
            mode = graph.observer.mode
            if mode in ("DAMPING", "ESTOP", "PASSIVE"):
                graph.robot.plant.stand()
                graph.observer.ask("stand" if mode == "PASSIVE" else "reset")
            elif mode == "STAND":
                graph.observer.ask("arm")
            graph.run(partial(self._walks_or_left, mode), 0.4)
            for name in [n for n, p in graph.processes.items() if p.poll() is not None]:
                graph.start(name)

    def _walks_or_left(self, mode: str) -> bool:
        return self._walks() or self._graph.observer.mode != mode

    def _walks(self) -> bool:
        observer, now = self._graph.observer, self._graph.robot.clock()
        since = int(observer.values.get("since_ns", 0)) / NS_PER_S
        calm = observer.mode == "POLICY" and not observer.values.get("tripped")
        return calm and now - since > _CALM_S and not self._graph.robot.plant.drives.damped

    # ---- the fault

    def inject(self, kind: Kind, number: int) -> Verdict:
        """One fault at a random time, and what came of it.

        Raises:
            Lost: the robot could not be brought to walk before.
        """
        graph = self._graph
        rng = np.random.default_rng([self._seed, number, *kind.name.encode()])
        records = len(graph.records)
        self._add(kind)
        self._walk()
        begun, stamps, wall_ns = list[float](), list[int](), list[int]()
        plant, observer = graph.robot.plant, graph.observer
        at_ns = plant.stamp_ns + round(rng.uniform(0.1, 1.1) * NS_PER_S)

        def begin() -> None:
            begun.append(time.monotonic())
            wall_ns.append(time.time_ns())
            stamps.append(plant.stamp_ns)
            plant.watch = Watch(shown=dict(list(plant.watch.shown.items())[-5:]))
            observer.said, observer.refusals = [], []
            self._timeouts = plant.drives.timeouts
            graph.free = kind.free
            kind.begin(graph, rng)

        plant.due = (at_ns, begin)
        if not graph.run(lambda: begun, 60.0):
            raise Lost("robot time stands still")
        at_ns = stamps[0]
        self._watch(kind, at_ns, begun[0])
        verdict = self._judge(kind, number, at_ns, begun[0])
        self._settle()
        self._finish(kind, verdict)
        if "recorder" in kind.needs:
            # The first of them: one that was killed has a successor.
            verdict.record_lacks_s = record_lacks_s(graph.records[records], wall_ns[0])
        return verdict

    def _add(self, kind: Kind) -> None:
        """Start what the kind needs beside the usual nodes."""
        for name in kind.needs:
            self._graph.observer.recording = ""  # of the one before
            self._graph.start(name)
            if name == "learner":
                self._graph.rest(12.0)
            else:
                self._graph.run(lambda: self._graph.observer.recording == "recording", 20.0)
                self._graph.rest(_RECORDED_S)

    def _watch(self, kind: Kind, at_ns: int, begun_s: float) -> None:
        """Let the fault last; longer where it has not been noticed yet."""
        end_ns = at_ns + round(kind.lasts_s * NS_PER_S)

        def over() -> bool:
            if self._graph.robot.plant.stamp_ns < end_ns:
                return False
            waits = kind.sign in (Sign.TRIPS, Sign.DAMPS, Sign.REFUSED) and not self._noticed(kind)
            return not waits or time.monotonic() - begun_s > kind.within_s + kind.lasts_s + 2.0

        self._graph.run(over, _LATE_S)

    def _noticed(self, kind: Kind) -> bool:
        if kind.sign is Sign.DAMPS:
            drives = self._graph.robot.plant.drives
            return drives.damped or drives.timeouts > self._timeouts
        if kind.sign is Sign.REFUSED:
            return bool(self._graph.observer.refusals)
        return self._first(kind) is not None

    def _first(self, kind: Kind) -> tuple[int, str, dict[str, str]] | None:
        """Stamp, mode and values of the first word of the supervisor that something is wrong.

        The stamp is that of the first state answered in that mode, by the robot's own clock.
        """
        for _, mode, values in self._graph.observer.said:
            wrong = mode != "POLICY" or values["tripped"]
            stamp_ns = int(values["stamp_ns"] if mode == "POLICY" else values["since_ns"])
            if wrong:
                return stamp_ns - round(kind.leap_s * NS_PER_S), mode, values
        return None

    # ---- the verdict

    def _judge(self, kind: Kind, number: int, at_ns: int, begun_s: float) -> Verdict:
        watch, first = self._graph.robot.plant.watch, self._first(kind)
        noticed, notice_s = self._noticed(kind), 0.0
        if kind.sign is Sign.DAMPS and noticed:
            damped = [c for c in watch.changes if c.gains == "damping"]
            notice_s = (damped[0].stamp_ns - at_ns) / NS_PER_S if damped else 0.0
        elif kind.sign is Sign.REFUSED and noticed:
            notice_s = self._graph.observer.refusals[0][0] - begun_s
        elif first is not None:
            notice_s = max(first[0] - at_ns, 0) / NS_PER_S
        if kind.sign is Sign.BORNE:
            good = first is None
        elif kind.sign is Sign.BODY:
            good = noticed or (watch.tilt_deg < 24.0 and not watch.fell)
        else:
            good = noticed
        said = {} if first is None else first[2]
        return Verdict(
            kind=kind.name, number=number, at_s=at_ns / NS_PER_S,
            noticed=good, in_time=good and notice_s <= kind.within_s + _REPEATS,
            guard=said.get("guard") or said.get("tripped", ""), mode="" if first is None else first[1],
            notice_ms=1e3 * notice_s, reaction_ms=self._reaction_ms(first, watch),
            fell=watch.fell, tilt_deg=watch.tilt_deg, ended="", safe=False,
            beyond_rad=watch.worst.beyond_rad, beyond_speed=watch.worst.beyond_speed,
            beyond_nm=watch.worst.beyond_nm,
            refused=0 if kind.name.startswith("joint_commands") else watch.rejected,
        )  # fmt: skip

    @staticmethod
    def _reaction_ms(first: tuple[int, str, dict[str, str]] | None, watch: Watch) -> float | None:
        if first is None or first[1] == "POLICY" or first[2]["guard"] in _WATCHDOGS:
            return None
        after = [c.stamp_ns for c in watch.changes if c.stamp_ns >= first[0]]
        return (after[0] - first[0]) / 1e6 if after else None

    def _settle(self) -> None:
        """Take the fault back and wait until recovery has come to an end."""
        graph = self._graph
        graph.mend()
        heard = len(graph.observer.said)
        graph.run(lambda: len(graph.observer.said) > heard, 2.0)
        graph.run(lambda: graph.observer.mode != "RECOVERY", 60.0)
        if graph.observer.mode in ("DAMPING", "ESTOP"):
            # What was just said takes a state to get to the robot.
            graph.run(lambda: graph.robot.plant.drives.gains == "damping", 1.0)

    def _finish(self, kind: Kind, verdict: Verdict) -> None:
        graph, plant = self._graph, self._graph.robot.plant
        verdict.fell |= plant.watch.fell
        verdict.ended = "damped by itself" if plant.drives.damped else graph.observer.mode
        damped = plant.drives.gains == "damping"
        verdict.safe = damped or (verdict.ended in ("POLICY", "STAND") and not plant.fallen)
        for name in kind.needs:
            graph.end(name)
        if kind.name.startswith("adapter"):
            graph.version += 1
            graph.observer.adapters.publish(still_adapter(graph.version))
        self._count.hear(graph.observer.values)
        for name in kind.ends:
            graph.run(partial(graph.ended, name), _ENDS_S)


class EventCount:
    """How many events the supervisors of a graph say to have written."""

    def __init__(self) -> None:
        self._before = self._now = 0

    def hear(self, values: dict[str, str]) -> None:
        now = int(values.get("events", 0)) - int(values.get("events_lost", 0))
        if now < self._now:
            self._before += self._now
        self._now = now

    @property
    def total(self) -> int:
        return self._before + self._now


def record_lacks_s(folder: Path, until_ns: int) -> float:
    """How long before ``until_ns`` (wall time) the states in a record end, s; infinite without any."""
    try:
        bag = Bag(folder)
        last = max((m.publish_ns for m in bag.messages([bag.full_name("joint_states")])), default=None)
    except RecordError:
        return math.inf
    return math.inf if last is None else max(until_ns - last, 0) / NS_PER_S


def whole_events(folder: Path) -> tuple[int, int]:
    """Files of events that are whole, and those that cannot be read."""
    whole = bad = 0
    for path in folder.glob("*.npz"):
        try:
            read_event(path)
            whole += 1
        except (ValueError, OSError, KeyError):
            bad += 1
    return whole, bad

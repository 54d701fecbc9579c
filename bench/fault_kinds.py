"""The faults of bench/faults.py that meet processes and topics, and what a kind of fault is.

``within_s`` is what docs/supervisor.md promises for the kind: the guard's own delay and what leads up to it.
"""

import signal
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

import numpy as np
from fault_graph import Graph
from fault_lines import TopicFault, cut, from_the_future, garbage, misnamed, not_a_number

Act = Callable[[Graph, np.random.Generator], None]


class Sign(StrEnum):
    """How a fault has to be noticed."""

    TRIPS = "trips"
    """The supervisor names a guard, or changes its mode."""
    BODY = "body"
    """As ``trips``, but only if the robot tilts over 24 degrees, which the policy may prevent by itself."""
    DAMPS = "damps"
    """The robot damps its joints by itself."""
    REFUSED = "refused"
    """It is refused by whom it meets, and said so."""
    BORNE = "borne"
    """It does no harm: the policy goes on and nothing trips."""


@dataclass(frozen=True)
class Kind:
    """One kind of fault.

    Attributes:
        begin: what happens at a stamp.
        within_s: robot time in which it has to be noticed; wall time where that stands still.
        lasts_s: robot time until it is over.
        lockstep: in which of the two graphs.
        needs: processes that run beside the usual ones.
        free: whether robot time goes on though processes cannot keep up.
        apart: whether nodes have to have processes of their own.
        ends: processes that end by themselves some seconds after it.
        leap_s: by how much the stamps of the states that the supervisor sees leap.
    """

    name: str
    begin: Act
    sign: Sign = Sign.TRIPS
    within_s: float = 0.1
    lasts_s: float = 0.6
    lockstep: bool = True
    needs: tuple[str, ...] = ()
    free: bool = False
    apart: bool = False
    ends: tuple[str, ...] = ()
    leap_s: float = 0.0


# ---- processes


def _signal(node: str, number: int) -> Act:
    def begin(graph: Graph, rng: np.random.Generator) -> None:
        graph.signal(node, number)

    return begin


def _starve(node: str, idle_s: float, busy_s: float) -> Act:
    """A quota of the processor, as the kernel would enforce it: stopped and let go on in turn."""

    def begin(graph: Graph, rng: np.random.Generator) -> None:
        graph.throttle = (node, idle_s, busy_s)

    return begin


def processes() -> list[Kind]:
    """Each node killed and frozen, and some that are given too little of the processor."""
    # Lockstep waits 2 s of wall time for a target or a state, the robot 4 s for a command.
    # A robot that waited for the dead would fall silent itself, and that would be noticed first.
    slow: dict = {"lasts_s": 1.5, "lockstep": False, "apart": True, "free": True}
    own: dict = {"lasts_s": 0.2, "within_s": 8.0, "apart": True}
    found = []
    for name, number in (("killed", signal.SIGKILL), ("frozen", signal.SIGSTOP)):
        found += [
            Kind(f"supervisor_{name}", _signal("supervisor", number), Sign.DAMPS, **own),
            Kind(f"executor_{name}", _signal("policy_executor", number), within_s=0.12, **slow),
            Kind(f"estimator_{name}", _signal("state_estimator", number), within_s=0.25, **slow),
            Kind(f"practice_{name}", _signal("practice", number), within_s=1.3, **slow),
            Kind(f"learner_{name}", _signal("learner", number), within_s=8.0, lasts_s=7.5, lockstep=False,
                 apart=True, needs=("learner",)),
            Kind(f"recorder_{name}", _signal("recorder", number), Sign.BORNE, lasts_s=1.0, lockstep=False,
                 apart=True, needs=("recorder",)),
            Kind(f"lockstep_executor_{name}", _signal("policy_executor", number), **own),
            Kind(f"lockstep_estimator_{name}", _signal("state_estimator", number), **own),
        ]  # fmt: skip
    found += [
        Kind("executor_starved", _starve("policy_executor", 0.1, 0.02), within_s=0.6, **slow),
        Kind("estimator_starved", _starve("state_estimator", 0.3, 0.02), within_s=0.6, **slow),
    ]
    return found


# ---- topics


def _spoil(topic: str, fault: TopicFault) -> Act:
    def begin(graph: Graph, rng: np.random.Generator) -> None:
        graph.lines[topic].spoil(fault, int(rng.integers(1 << 30)))

    return begin


def _topic(topic: str, what: str, fault: TopicFault, **values) -> Kind:
    name = topic.replace("/", "_")
    return Kind(f"{name}_{what}", _spoil(topic, fault), **values)


def stopped() -> list[Kind]:
    """Each topic stays out. Foot forces are replaced by joint torques, so they are not missed."""
    stop = partial(_topic, what="stopped", fault=TopicFault(copies=0), lockstep=False)
    return [
        stop("joint_states", within_s=0.3, free=True),
        stop("imu/data", within_s=0.3, free=True),
        stop("foot_forces", sign=Sign.BORNE),
        stop("odom", within_s=0.2),
        stop("contacts", within_s=0.3, lasts_s=1.0),
        stop("policy/targets", within_s=0.1),
        stop("cmd_vel", within_s=1.1, lasts_s=1.5),
        stop("joint_commands", sign=Sign.DAMPS, within_s=0.12),
    ]


def late() -> list[Kind]:
    """Each topic late by more than it may be; what is late by less is borne."""

    def delay(topic: str, seconds: float, **values) -> Kind:
        name = f"late_by_{1000 * seconds:.0f}_ms"
        return _topic(topic, name, TopicFault(delay_s=seconds), lockstep=False, **values)

    return [
        delay("joint_states", 0.1, within_s=0.3, free=True),
        delay("imu/data", 0.1, within_s=0.3, free=True),
        delay("odom", 0.2, within_s=0.25, lasts_s=0.8),
        delay("contacts", 0.2, within_s=0.5, lasts_s=1.0),
        delay("policy/targets", 0.1, within_s=0.15),
        delay("policy/targets", 0.03, within_s=0.8, lasts_s=1.2),
        delay("cmd_vel", 0.2, sign=Sign.BORNE),
        delay("joint_commands", 0.15, sign=Sign.DAMPS, within_s=0.15),
        delay("foot_forces", 0.1, sign=Sign.BORNE),
    ]


def repeated() -> list[Kind]:
    """Each topic sent twice: a receiver that sees a stamp again does not act again."""
    topics = ("joint_states", "imu/data", "foot_forces", "odom", "contacts", "policy/targets", "cmd_vel",
              "joint_commands")  # fmt: skip
    return [_topic(t, "repeated", TopicFault(copies=2), sign=Sign.BORNE, lockstep=False) for t in topics]


def altered() -> list[Kind]:
    """Each topic with NaN, with garbage, too short, under wrong names, from the future."""
    nan, wild, short = TopicFault(alter=not_a_number), TopicFault(alter=garbage), TopicFault(alter=cut)
    kinds = []
    for topic in ("joint_states", "imu/data", "odom", "policy/targets"):
        kinds += [_topic(topic, "nan", nan), _topic(topic, "garbage", wild)]
    wall: dict = {"lockstep": False}
    return [
        *kinds,
        _topic("foot_forces", "nan", nan, sign=Sign.BORNE),
        _topic("foot_forces", "garbage", wild, sign=Sign.BORNE),
        _topic("contacts", "nan", nan, within_s=0.3),
        _topic("contacts", "garbage", wild, within_s=0.3),
        _topic("cmd_vel", "nan", nan, within_s=1.2, lasts_s=1.5),
        _topic("cmd_vel", "garbage", wild, sign=Sign.BORNE),
        _topic("joint_commands", "nan", nan, sign=Sign.DAMPS, within_s=0.12, **wall),
        _topic("joint_commands", "short", short, sign=Sign.DAMPS, within_s=0.12, **wall),
        _topic("joint_states", "short", short, within_s=0.3, free=True, **wall),
        _topic("joint_states", "misnamed", TopicFault(alter=misnamed), within_s=0.3, free=True, **wall),
        _topic("foot_forces", "short", short, sign=Sign.BORNE),
        _topic("policy/targets", "short", short, within_s=0.12, **wall),
        _topic("policy/targets", "future", TopicFault(alter=from_the_future), within_s=0.1, **wall),
    ]

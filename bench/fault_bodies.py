"""The faults of bench/faults.py that meet the robot, its sensors, adapters, persons and the disk."""

import resource
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from fault_graph import Graph
from fault_kinds import Act, Kind, Sign
from sensor_msgs.msg import JointState
from std_msgs.msg import UInt8MultiArray

from ros2_rl.policy.adapter import Adapter, merge
from ros2_rl.policy.mlp import linear_layers
from ros2_rl.policy.onnx_policy import OnnxPolicy
from ros2_rl.robots import RobotState, load_robot
from ros2_rl.sim.perturbations import Perturbations, SensorNoise
from ros2_rl.tasks import load_task

_BEYOND = load_robot("go2").q_upper + 0.5
"""A reading beyond the stop of each joint, rad."""

Spoil = Callable[[RobotState], RobotState]

# ---- the robot


def _push(forward: float, sideways: float) -> Act:
    def begin(graph: Graph, rng: np.random.Generator) -> None:
        size = rng.uniform(0.8, 1.2) * rng.choice((-1.0, 1.0))
        graph.robot.plant.push(size * np.array((forward, sideways, 0.0)))

    return begin


def _gap(**values) -> Act:
    def begin(graph: Graph, rng: np.random.Generator) -> None:
        graph.robot.plant.set_perturbations(Perturbations(**values), graph.robot.plant.stamp_ns)

    return begin


def _tip_over(graph: Graph, rng: np.random.Generator) -> None:
    """Somebody turns the robot onto its back."""
    plant = graph.robot.plant
    qpos = plant.data.qpos.copy()
    qpos[2], qpos[3:7] = 0.35, (0.0, 1.0, 0.0, 0.0)
    plant.place(qpos)


def bodies() -> list[Kind]:
    legs = [
        Kind(f"leg_dead_{leg}", _gap(leg_strength={leg: 0.0}), within_s=0.8, lasts_s=1.5)
        for leg in ("FL", "FR", "RL", "RR")
    ]
    return [
        *legs,
        Kind("push_sideways", _push(0.0, 3.0), Sign.BODY, within_s=1.5, lasts_s=1.5),
        Kind("push_forward", _push(3.0, 0.0), Sign.BODY, within_s=1.5, lasts_s=1.5),
        Kind("push_oblique", _push(2.0, 2.0), Sign.BODY, within_s=1.5, lasts_s=1.5),
        Kind("nudge", _push(0.3, 0.3), Sign.BORNE, lasts_s=1.5),
        Kind("turned_over", _tip_over, within_s=0.1),
        Kind("payload_10_kg", _gap(payload_kg=10.0), Sign.BODY, within_s=2.0, lasts_s=2.0),
        Kind("ice", _gap(friction=0.05), Sign.BODY, within_s=2.5, lasts_s=2.5),
        Kind("gains_halved", _gap(gain_scale=0.3), Sign.BODY, within_s=2.0, lasts_s=2.0),
        Kind("commands_late_60_ms", _gap(actuation_delay_ms=60.0), Sign.BODY, within_s=2.0, lasts_s=2.0),
        Kind("battery_sag", _gap(battery_share=0.05), within_s=2.3, lasts_s=2.5),
        Kind("motor_hot", _gap(motor_temperature_c=85.0), within_s=2.3, lasts_s=2.5),
        Kind("states_lost", _gap(message_loss=0.7), within_s=2.5, lasts_s=3.0),
    ]


# ---- sensors


def _sensor(make: Callable[[np.random.Generator], Spoil]) -> Act:
    def begin(graph: Graph, rng: np.random.Generator) -> None:
        graph.robot.plant.spoil = make(rng)

    return begin


def _but(state: RobotState, **parts: Any) -> RobotState:
    """The state with other parts, by name."""
    return replace(state, **parts)


def _replaced(**changes: Callable[[np.ndarray], np.ndarray]) -> Act:
    def make(rng: np.random.Generator) -> Spoil:
        return lambda s: _but(s, **{name: change(getattr(s, name)) for name, change in changes.items()})

    return _sensor(make)


def _frozen(*names: str) -> Act:
    def make(rng: np.random.Generator) -> Spoil:
        held: dict[str, np.ndarray] = {}
        return lambda s: _but(s, **{n: held.setdefault(n, getattr(s, n).copy()) for n in names})

    return _sensor(make)


def _encoder(change: Callable[[float, RobotState, int], float], speed: bool = False) -> Act:
    """One joint's reading is another."""

    def make(rng: np.random.Generator) -> Spoil:
        joint = int(rng.integers(12))
        held: dict[str, float] = {}

        def spoil(state: RobotState) -> RobotState:
            q, dq = state.q.copy(), state.dq.copy()
            held.setdefault("q", q[joint])
            q[joint] = change(held["q"], state, joint)
            dq[joint] = 0.0 if speed else dq[joint]
            return replace(state, q=q, dq=dq)

        return spoil

    return _sensor(make)


def _leap(seconds: float) -> Act:
    """The stamps of the robot jump for good: its clock was set."""

    leap_ns = round(seconds * 1e9)

    def begin(graph: Graph, rng: np.random.Generator) -> None:
        graph.robot.leap_ns = leap_ns
        graph.robot.plant.spoil = lambda s: replace(s, stamp_ns=max(s.stamp_ns + leap_ns, 0))

    return begin


def _noise(**values: float) -> Act:
    return _gap(noise=SensorNoise(**values))


def sensors() -> list[Kind]:
    return [
        Kind("imu_frozen", _frozen("gyro", "accel", "quat"), within_s=0.15),
        Kind("gyro_frozen", _frozen("gyro"), within_s=0.15),
        Kind("accelerometer_frozen", _frozen("accel"), within_s=0.15),
        Kind("orientation_frozen", _frozen("quat"), within_s=0.15),
        # It shows when the joint is asked to move: at the latest when a robot that stood walks on.
        Kind("encoder_stuck", _encoder(lambda held, s, j: held, speed=True), within_s=9.0, lasts_s=1.0),
        Kind("encoder_off_by_0.5", _encoder(lambda held, s, j: s.q[j] + 0.5), Sign.BODY, 1.5, 2.0),
        Kind("encoder_out_of_range", _encoder(lambda held, s, j: _BEYOND[j]), within_s=0.2),
        Kind("encoder_nan", _encoder(lambda held, s, j: float("nan")), within_s=0.1),
        Kind("gyro_bias", _noise(gyro_bias=0.4), within_s=1.5, lasts_s=2.0),
        Kind("accelerometer_bias", _replaced(accel=lambda a: a + 3.0), within_s=2.5, lasts_s=3.0),
        Kind("gyro_saturated", _replaced(gyro=lambda w: w * 0.0 + 35.0), within_s=0.1),
        Kind("gyro_dead", _replaced(gyro=lambda w: w * 0.0), within_s=0.2),
        Kind("orientation_inverted", _replaced(quat=lambda q: q[[1, 0, 3, 2]]), within_s=0.2),
        Kind("torques_too_high", _replaced(tau=lambda t: t + 100.0), within_s=0.15),
        Kind("feet_dead", _replaced(foot_force=lambda f: f * 0.0), Sign.BORNE),
        Kind("all_noise_x5", _noise(gyro=0.1, accel=0.75, q=0.01, dq=0.75), Sign.BODY, 1.5, 1.5),
        Kind("clock_back_1_s", _leap(-1.0), within_s=0.1, leap_s=-1.0, lockstep=False, free=True),
        Kind("clock_forward_1_s", _leap(1.0), within_s=0.1, leap_s=1.0, lockstep=False, free=True),
        Kind("robot_silent", _silence, within_s=1.0, lasts_s=0.0, lockstep=False),
    ]


def _silence(graph: Graph, rng: np.random.Generator) -> None:
    """The robot's computer stands still for a while."""
    graph.robot.frozen = True


# ---- adapters


def _adapter(version: int, size: float) -> Adapter:
    """A rank-1 adapter of the base policy; its probe is answered rightly."""
    base = OnnxPolicy(load_task("trot").policy_path)
    rng = np.random.default_rng(version)
    layers = {
        layer.name: (
            rng.normal(size=(1, layer.weight.shape[1])).astype(np.float32),
            size * rng.normal(size=(layer.weight.shape[0], 1)).astype(np.float32),
        )
        for layer in linear_layers(base.model)
    }
    probe = rng.normal(size=(4, base.contract.observation_width)).astype(np.float32)
    adapter = Adapter(version, base.sha256, 1, 1.0, layers, np.full(12, -2.0, np.float32), probe, probe)
    merged = OnnxPolicy(merge(base.model, adapter))
    return replace(adapter, probe_out=np.stack([merged(probe[i : i + 1]) for i in range(4)]))


def still_adapter(version: int) -> UInt8MultiArray:
    """One that changes nothing."""
    return UInt8MultiArray(data=_adapter(version, 0.0).to_bytes())


def _sent(spoil: Callable[[bytes, np.random.Generator], bytes], size: float = 0.01) -> Act:
    def begin(graph: Graph, rng: np.random.Generator) -> None:
        graph.version += 1
        data = spoil(_adapter(graph.version, size).to_bytes(), rng)
        graph.observer.adapters.publish(UInt8MultiArray(data=data))

    return begin


def _one_bit(data: bytes, rng: np.random.Generator) -> bytes:
    at = int(rng.integers(len(data) // 2, len(data)))
    return data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]


def _with(**changes: Any) -> Act:
    """An adapter that is whole, but says something wrong."""

    def begin(graph: Graph, rng: np.random.Generator) -> None:
        graph.version += 1
        adapter = replace(_adapter(graph.version, 0.01), **changes)
        graph.observer.adapters.publish(UInt8MultiArray(data=adapter.to_bytes()))

    return begin


def adapters() -> list[Kind]:
    told: dict = {"sign": Sign.REFUSED, "within_s": 3.0, "lasts_s": 1.0}
    return [
        Kind("adapter_random_bytes", _sent(lambda data, rng: rng.bytes(len(data))), **told),
        Kind("adapter_cut_off", _sent(lambda data, rng: data[: len(data) // 2]), **told),
        Kind("adapter_one_bit", _sent(_one_bit), **told),
        Kind("adapter_empty", _sent(lambda data, rng: b""), **told),
        Kind("adapter_nan", _with(log_std=np.full(12, np.nan, np.float32)), **told),
        Kind("adapter_of_another_base", _with(base_sha256="0" * 64), **told),
        Kind("adapter_stale", _with(version=0), **told),
        Kind("adapter_wrong_probe", _with(probe_out=np.zeros((4, 12), np.float32)), **told),
        Kind("adapter_wild", _sent(lambda data, rng: data, size=3.0), Sign.BODY, 4.0, 4.0),
    ]


# ---- persons, rivals, disks


def _asked(name: str) -> Act:
    def begin(graph: Graph, rng: np.random.Generator) -> None:
        graph.observer.ask(name)

    return begin


def _rival(graph: Graph, rng: np.random.Generator) -> None:
    """Somebody else begins to command the robot."""
    graph.rival = graph.observer.create_publisher(JointState, "joint_commands", 1)


def _deadman(graph: Graph, rng: np.random.Generator) -> None:
    """A person who has taken over lets go of the deadman."""
    graph.observer.ask("take_over")


def _full_disk(node: str) -> Act:
    """The process can write no further byte; the supervisor then has something to write."""

    def begin(graph: Graph, rng: np.random.Generator) -> None:
        process = graph.processes[node]
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
        graph.filled.append(node)
        _push(0.0, 4.0)(graph, rng)

    return begin


def others() -> list[Kind]:
    return [
        # A request takes wall time, and in lockstep robot time runs away from it.
        Kind("person_damps", _asked("damp"), within_s=1.0, lockstep=False),
        Kind("person_stops", _asked("estop"), within_s=1.0, lockstep=False),
        Kind("deadman_released", _deadman, Sign.BORNE, lasts_s=1.0),
        Kind("second_writer", _rival, within_s=2.0, lasts_s=0.4, apart=True, ends=("supervisor",)),
        Kind("disk_full_supervisor", _full_disk("supervisor"), Sign.BODY, 1.5, 1.5, apart=True),
        Kind(
            "disk_full_recorder", _full_disk("recorder"), Sign.BODY, 1.5, 1.5, needs=("recorder",), apart=True
        ),
    ]

"""The firmware of the simulated Go2: bytes in, bytes out; and the round trip as it feels it."""

import json

import numpy as np
import pytest

from ros2_rl.robots import JointCommand, MotorCommand, load_robot
from ros2_rl.sim.go2 import PHYSICS_DT, STATE_RATE_HZ, SimulatedGo2
from ros2_rl.sim.perturbations import Perturbations
from ros2_rl.sim.plant import Plant
from ros2_rl.sim.round_trip import RoundTrip
from ros2_rl.unitree import layout, services
from ros2_rl.unitree.codec import Codec
from ros2_rl.unitree.remote import Remote
from ros2_rl.unitree.takeover import folded

ROBOT = load_robot("go2")
CODEC = Codec(ROBOT)
MS = 1_000_000


@pytest.fixture
def go2() -> SimulatedGo2:
    return SimulatedGo2(Plant(ROBOT, Perturbations(), 0, PHYSICS_DT, STATE_RATE_HZ))


def fields(go2: SimulatedGo2) -> np.void:
    return np.frombuffer(go2.low_state(), layout.LOW_STATE)[0]


def stand(gains: str = "stand") -> bytes:
    return CODEC.command(JointCommand(0, ROBOT.stand_pose, np.zeros(12), np.zeros(12), gains))


def run(go2: SimulatedGo2, seconds: float, payload: bytes | None = None) -> None:
    for _ in range(round(seconds * STATE_RATE_HZ)):
        if payload is not None:
            assert go2.low_cmd(payload)
        go2.advance()


def test_its_states_are_sealed_and_tick(go2: SimulatedGo2) -> None:
    assert layout.intact(go2.low_state()) and go2.tick == 0
    go2.advance()
    go2.advance()
    state = fields(go2)
    assert state["tick"] == 4 and state["head"].tolist() == [0xFE, 0xEF]
    assert state["foot_force"].sum() + 200 > 140 and state["power_v"] > 20
    assert np.linalg.norm(state["imu_state"]["quaternion"]) == pytest.approx(1.0, abs=1e-5)


def test_it_ignores_commands_until_its_mode_is_released(go2: SimulatedGo2) -> None:
    assert not go2.low_cmd(stand()) and go2.ignored == 1
    assert go2.motion_switcher(services.RELEASE_MODE, "{}")[0] == 0
    assert json.loads(go2.motion_switcher(services.CHECK_MODE, "{}")[1])["name"] == ""
    run(go2, 1.0, stand())
    assert np.abs(go2.plant.state().q - ROBOT.stand_pose).max() < 0.3
    assert go2.plant.truth().position[2] > 0.2


def test_standing_feet_bear_its_weight(go2: SimulatedGo2) -> None:
    go2.motion_switcher(services.RELEASE_MODE, "{}")
    run(go2, 2.0, stand())
    assert 100 < fields(go2)["foot_force"].sum() < 200  # 15 kg


@pytest.mark.parametrize("fault", ["crc", "size", "nan"])
def test_bad_frames_are_dropped(go2: SimulatedGo2, fault: str) -> None:
    go2.motion_switcher(services.RELEASE_MODE, "{}")
    payload = stand()
    if fault == "crc":
        payload = payload[:100] + bytes([payload[100] ^ 1]) + payload[101:]
    elif fault == "size":
        payload = payload[:-4]
    else:
        payload = CODEC.command(JointCommand(0, np.full(12, np.nan), np.zeros(12), np.zeros(12), "stand"))
    assert not go2.low_cmd(payload) and go2.bad_frames == 1 and go2.last is None


def test_without_commands_it_damps(go2: SimulatedGo2) -> None:
    go2.motion_switcher(services.RELEASE_MODE, "{}")
    run(go2, 0.2, stand())
    run(go2, 0.2)
    assert go2.plant.drives.damped and go2.plant.drives.timeouts == 1


def test_its_sport_mode_stands_up_and_lies_down(go2: SimulatedGo2) -> None:
    assert go2.sport(services.STAND_UP, "{}")[0] == 0
    run(go2, 3.0)
    assert not folded(ROBOT, go2.plant.state()) and go2.plant.truth().position[2] > 0.2
    assert go2.sport(services.STAND_DOWN, "{}")[0] == 0
    run(go2, 2.5)
    assert folded(ROBOT, go2.plant.state())
    assert go2.sport(services.DAMP, "{}")[0] == 0


def test_its_services_refuse_what_they_do_not_know(go2: SimulatedGo2) -> None:
    assert go2.motion_switcher(services.SELECT_MODE, "nonsense")[0] == services.BAD_PARAMETER
    assert go2.motion_switcher(services.SELECT_MODE, '{"name": "fly"}')[0] != 0
    assert go2.motion_switcher(services.SELECT_MODE, '{"name": "ai"}')[0] == 0 and go2.mode == "ai"
    assert go2.sport(1016, "{}")[0] == services.NOT_IMPLEMENTED
    assert go2.sport(services.API_VERSION, "{}") == (0, "1.0.0.1")
    go2.motion_switcher(services.RELEASE_MODE, "{}")
    assert go2.sport(services.STAND_UP, "{}")[0] != 0


def test_its_remote_travels_in_the_state(go2: SimulatedGo2) -> None:
    go2.remote = Remote(lx=0.5, held=frozenset({"A"}))
    assert Remote.unpack(fields(go2)["wireless_remote"].tobytes()) == go2.remote


# ---- round trip

POLICY = ROBOT.gains["policy"]


def motor_command(q: float, gains: str = "policy") -> MotorCommand:
    kp, kd = ROBOT.gains[gains].kp, ROBOT.gains[gains].kd
    return MotorCommand(0, np.full(12, q), np.zeros(12), np.zeros(12), kp, kd)


def test_the_first_changed_target_answers_the_control_step() -> None:
    trip = RoundTrip([POLICY])
    trip.came(motor_command(0.0), 0.999)
    trip.sent(20 * MS, 1.0)
    trip.came(motor_command(0.0), 1.001)
    trip.came(motor_command(0.1), 1.002)
    trip.sent(22 * MS, 1.002)
    trip.came(motor_command(0.2), 1.004)
    assert trip.figures_ms() == pytest.approx((2.0, 2.0, 2.0), abs=0.02) and trip.missed == 0


def test_a_control_step_without_an_answer_is_missed_and_other_gains_are_not_counted() -> None:
    trip = RoundTrip([POLICY])
    trip.came(motor_command(0.0), 0.9)
    trip.sent(0, 1.0)
    trip.came(motor_command(0.0), 1.01)
    trip.sent(20 * MS, 1.02)
    assert trip.missed == 1
    trip.came(motor_command(0.5, "recovery"), 1.021)
    trip.sent(40 * MS, 1.04)
    assert trip.missed == 1 and trip.figures_ms() == (0.0, 0.0, 0.0)

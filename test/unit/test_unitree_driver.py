"""What the driver tells the motors, when, and how it takes the robot over; time is handed in."""

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from ros2_rl.errors import ConfigError
from ros2_rl.robots import JointCommand, RobotState, load_robot
from ros2_rl.safety.config import load_safety
from ros2_rl.unitree import interface, services
from ros2_rl.unitree.cadence import Cadence
from ros2_rl.unitree.interface import check_interface
from ros2_rl.unitree.machine import DriverMachine, State
from ros2_rl.unitree.takeover import TakeOver, folded

ROBOT = load_robot("go2")
MS = 1_000_000
LEVEL, ON_ITS_BACK = np.array((1.0, 0, 0, 0)), np.array((0.0, 1, 0, 0))


def state(stamp_ms: float, q: np.ndarray = ROBOT.fold_pose, quat: np.ndarray = LEVEL) -> RobotState:
    zero = np.zeros(12)
    return RobotState(round(stamp_ms * MS), q.copy(), zero, zero, quat, np.zeros(3), np.zeros(3))


def command(stamp_ms: float, gains: str = "policy", q: np.ndarray = ROBOT.stand_pose) -> JointCommand:
    return JointCommand(round(stamp_ms * MS), q, np.zeros(12), np.zeros(12), gains)


@pytest.fixture
def machine() -> DriverMachine:
    made = DriverMachine(ROBOT, load_safety("go2").stand)
    made.on_state(state(1000), 1.0)
    return made


def gains_at(machine: DriverMachine, now: float) -> str | None:
    output = machine.output(now)
    return None if output is None else output.gains


def test_before_any_state_the_motors_are_off_and_before_any_command_damped() -> None:
    machine = DriverMachine(ROBOT, load_safety("go2").stand)
    assert machine.output(0.0) is None and machine.on_command(command(0), 0.0) is not None
    machine.on_state(state(0), 0.0)
    assert gains_at(machine, 60.0) == "damping" and machine.state is State.IDLE


def test_a_command_is_followed_until_it_is_too_old_then_damped_then_off(machine: DriverMachine) -> None:
    sent = command(1000)
    assert machine.on_command(sent, 1.0) is None
    assert machine.output(1.0) is sent and machine.output(1.049) is sent
    machine.on_state(state(1060), 1.06)
    assert gains_at(machine, 1.06) == "damping"
    assert machine.state is State.DAMPING and "no joint_commands" in machine.reason
    assert gains_at(machine, 3.0) == "damping" and gains_at(machine, 3.1) is None
    assert machine.state is State.OFF and machine.timeouts == 1


def test_commands_that_come_back_while_damping_are_followed(machine: DriverMachine) -> None:
    machine.on_command(command(1000), 1.0)
    machine.on_state(state(1100), 1.1)
    assert gains_at(machine, 1.1) == "damping"
    assert machine.on_command(command(1100), 1.1) is None and gains_at(machine, 1.1) == "policy"


@pytest.mark.parametrize("way", ["off", "halted"])
def test_after_a_stop_only_a_damping_command_leads_back(machine: DriverMachine, way: str) -> None:
    if way == "off":
        machine.on_command(command(1000), 1.0)
        machine.output(1.06)
        assert machine.output(4.0) is None
    else:
        machine.halt("L2 + B on the remote control", 1.0)
    machine.on_state(state(5000), 5.0)
    fault = machine.on_command(command(5000), 5.0)
    assert fault is not None and "damp first" in fault and machine.refused == 1
    assert machine.on_command(command(5000, "damping"), 5.0) is None and machine.state is State.FOLLOWING


def test_halting_stops_a_policy_at_once(machine: DriverMachine) -> None:
    machine.on_command(command(1000), 1.0)
    machine.halt("a second writer", 1.0)
    machine.halt("something later", 1.0)
    assert gains_at(machine, 1.0) == "damping" and machine.reason == "a second writer"


def test_without_states_it_damps(machine: DriverMachine) -> None:
    machine.on_command(command(1000), 1.09)
    assert gains_at(machine, 1.099) == "policy" and gains_at(machine, 1.11) == "damping"
    assert "rt/lowstate" in machine.reason


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (command(900), "0.100 s behind"),
        (command(1001), "behind"),
        (command(1000, "wild"), "'wild' is not one of"),
        (command(1000, q=np.full(12, np.nan)), "not finite"),
        (replace(command(1000), tau=np.full(12, np.inf)), "not finite"),
        (command(1000, q=ROBOT.q_upper + 0.1), "beyond its limit"),
    ],
)
def test_a_bad_command_is_refused_with_its_reason(
    machine: DriverMachine, bad: JointCommand, words: str
) -> None:
    fault = machine.on_command(bad, 1.0)
    assert fault is not None and words in fault
    assert machine.state is State.IDLE and machine.refused == 1 and gains_at(machine, 1.0) == "damping"


def test_a_damping_command_may_be_beyond_a_limit(machine: DriverMachine) -> None:
    assert machine.on_command(command(1000, "damping", ROBOT.q_upper + 0.1), 1.0) is None


def test_it_stands_up_and_lies_down(machine: DriverMachine) -> None:
    assert machine.stand_up(1.0) == (True, "Standing up.")
    machine.on_state(state(4000), 4.0)
    standing = machine.output(4.0)
    assert standing is not None and np.allclose(standing.q, ROBOT.stand_pose) and standing.gains == "stand"
    machine.on_state(state(5000, ROBOT.stand_pose), 5.0)
    assert machine.lie_down(5.0)[0]
    machine.on_state(state(5750), 5.75)
    halfway = machine.output(5.75)
    assert halfway is not None and np.allclose(halfway.q, 0.5 * (ROBOT.stand_pose + ROBOT.fold_pose))
    machine.on_state(state(7000), 7.0)
    assert machine.state is State.IDLE and gains_at(machine, 7.0) == "damping"


def test_a_sequence_ends_when_the_robot_tips_over_or_falls_silent(machine: DriverMachine) -> None:
    machine.stand_up(1.0)
    machine.on_state(state(1002, quat=ON_ITS_BACK), 1.002)
    assert machine.state is State.DAMPING and "tilted" in machine.reason
    machine.on_state(state(1004), 1.004)
    machine.stand_up(1.004)
    assert gains_at(machine, 1.2) == "damping"


def test_a_sequence_is_refused_with_the_remedy(machine: DriverMachine) -> None:
    machine.on_command(command(1000), 1.0)
    assert "supervisor/stand" in machine.stand_up(1.0)[1]
    idle = DriverMachine(ROBOT, load_safety("go2").stand)
    assert "cable" in idle.lie_down(0.0)[1]
    idle.on_state(state(0, quat=ON_ITS_BACK), 0.0)
    assert idle.stand_up(0.0) == (
        False, "The robot lies on its side or back: turn it onto its belly, then ask again.",
    )  # fmt: skip


def test_frames_go_out_with_commands_and_never_later_than_a_period() -> None:
    cadence = Cadence()
    assert cadence.left(7.0) == 0.0
    for now in (7.0, 7.002, 7.004):
        cadence.sent(now)
    assert 0.0020 < cadence.left(7.004) < 0.0022 and cadence.left(7.0062) < 0.0, (
        "a command may be a little late"
    )
    assert cadence.figures_ms() == pytest.approx((2.0, 2.0, 2.0), abs=0.02) and cadence.frames == 3
    cadence.sent(7.0061, fresh=False)
    assert cadence.left(7.0061) == pytest.approx(0.002, abs=3e-6), "no more are awaited"


def test_repetitions_come_in_the_middle_between_two_commands() -> None:
    cadence = Cadence(per_command=2)
    cadence.sent(7.0)
    assert cadence.left(7.0) == pytest.approx(0.0021)
    cadence.sent(7.0021, fresh=False)
    assert cadence.left(7.0021) == pytest.approx(0.0021, abs=3e-6)


def test_a_thread_that_always_wakes_up_late_waits_less() -> None:
    cadence, now = Cadence(), 0.0
    lateness = np.random.default_rng(0).uniform(0.05e-3, 0.25e-3, 3000)
    for late in lateness:
        now += max(cadence.left(now), 0.0) + late
        cadence.sent(now, fresh=False)
    p50, p99, _ = cadence.figures_ms()
    assert p50 == pytest.approx(2.0, abs=0.02) and p99 < 2.15


# ---- taking over


class FakeRobot:
    """A motion mode that may be stubborn."""

    def __init__(self, mode: str = "normal", lies: bool = True, stubborn: bool = False, rival: bool = False):
        self.mode, self.lies, self.stubborn, self.rival = mode, lies, stubborn, rival
        self.calls: list[tuple[int, str]] = []
        self.code, self.data = 0, ""

    def switcher(self, api_id: int, parameter: str) -> services.Answer:
        self.calls.append((api_id, parameter))
        if api_id == services.CHECK_MODE:
            return self.code, self.data or json.dumps({"form": "0", "name": self.mode})
        if api_id == services.RELEASE_MODE and not self.stubborn:
            self.mode = ""
        if api_id == services.SELECT_MODE:
            self.mode = json.loads(parameter)["name"]
        return 0, ""

    def sport(self, api_id: int, parameter: str) -> services.Answer:
        self.lies = self.lies or (api_id == services.STAND_DOWN and not self.stubborn)
        return 0, ""

    def take_over(self) -> TakeOver:
        wait: Callable[[float], None] = lambda _: None  # noqa: E731
        return TakeOver(self.switcher, self.sport, lambda: self.lies, lambda: self.rival, wait)


@pytest.mark.parametrize("lies", [True, False])
def test_the_mode_is_released_with_the_robot_lying_and_restored(lies: bool) -> None:
    robot = FakeRobot(lies=lies)
    take = robot.take_over()
    take.take()
    assert robot.mode == "" and robot.lies and take.released == "normal"
    assert take.give_back() and robot.mode == "normal"
    assert take.give_back()  # nothing left to do


def test_a_robot_without_a_mode_is_taken_as_it_is() -> None:
    robot = FakeRobot(mode="", lies=False)
    robot.take_over().take()
    assert [api_id for api_id, _ in robot.calls] == [services.CHECK_MODE]


@pytest.mark.parametrize(
    ("robot", "words"),
    [
        (FakeRobot(mode="moonwalk"), "motion mode 'moonwalk'.*select one of those"),
        (FakeRobot(stubborn=True), "does not let go.*restart the robot"),
        (FakeRobot(lies=False, stubborn=True), "does not lie down.*remote"),
        (FakeRobot(rival=True), "Another program writes rt/lowcmd.*end it"),
        (FakeRobot(mode="", rival=True), "Another program writes rt/lowcmd"),
    ],
)
def test_a_robot_that_cannot_be_taken_is_left_as_it_was(robot: FakeRobot, words: str) -> None:
    mode = robot.mode
    with pytest.raises(ConfigError, match=words):
        robot.take_over().take()
    assert robot.mode == mode


@pytest.mark.parametrize(
    ("code", "data", "words"), [(3104, "", "does not answer"), (0, "gibberish", "gibberish")]
)
def test_a_switcher_that_says_nothing_sensible_is_a_sentence(code: int, data: str, words: str) -> None:
    robot = FakeRobot()
    robot.code, robot.data = code, data
    with pytest.raises(ConfigError, match=words):
        robot.take_over().take()


def test_folded_legs_are_told_from_standing_ones() -> None:
    moving = replace(state(0), dq=np.full(12, 2.0))
    assert (
        folded(ROBOT, state(0))
        and not folded(ROBOT, state(0, ROBOT.stand_pose))
        and not folded(ROBOT, moving)
    )


# ---- interface


def test_an_interface_that_is_not_there_is_refused_with_what_there_is() -> None:
    with pytest.raises(ConfigError, match=r"no network interface 'eth77'.*lo.*interface:="):
        check_interface("eth77")
    check_interface("lo")


def test_an_interface_without_an_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interface, "address_of", lambda name: None)
    with pytest.raises(ConfigError, match=r"lo has no IPv4 address.*ip address add 192\.168\.123\."):
        check_interface("lo")

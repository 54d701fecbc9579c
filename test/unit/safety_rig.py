"""A supervisor with a puppet robot, for the tests of the safety package."""

import numpy as np

from ros2_rl.robots import NS_PER_S, JointCommand, RobotState, load_robot
from ros2_rl.safety.config import load_safety
from ros2_rl.safety.modes import Mode
from ros2_rl.safety.recovery import RecoveryController
from ros2_rl.safety.supervisor import Supervisor

ROBOT = load_robot("go2")
SHIPPED = load_safety("go2")
CONFIG = SHIPPED.with_guard("imu_orientation", limit=20.0)
"""The puppet turns from one state to the next, which no gyro follows."""
STATE_NS = 5_000_000
STEP_NS = 20_000_000


def rolled(degrees: float) -> np.ndarray:
    """Orientation (w, x, y, z) of a base rolled by an angle."""
    half = np.radians(degrees) / 2
    return np.array([np.cos(half), np.sin(half), 0.0, 0.0])


def state_at(stamp_ns: int, tilt_deg: float = 0.0, **parts) -> RobotState:
    """A robot that stands still, or rolled to a tilt; ``parts`` replace what they name."""
    values = {
        "q": np.array(ROBOT.stand_pose),
        "dq": np.zeros(12),
        "tau": np.zeros(12),
        "quat": rolled(tilt_deg),
        "gyro": np.zeros(3),
        "accel": np.array([0.0, 0.0, 9.81]),
    }
    values |= parts
    noise = 1e-7 * (stamp_ns // STATE_NS % 5)  # no sensor repeats itself to the last bit
    noisy = {name: values[name] + noise for name in ("q", "quat", "gyro", "accel")}
    return RobotState(stamp_ns=stamp_ns, **{**values, **noisy})


def torque(command: JointCommand, q: np.ndarray, dq: np.ndarray) -> np.ndarray:
    """What healthy drives make of a command, (J,), N·m."""
    gains = ROBOT.gains[command.gains]
    return np.clip(gains.kp * (command.q - q) + gains.kd * (command.dq - dq), -ROBOT.tau_max, ROBOT.tau_max)


def target_at(stamp_ns: int, q=None, gains: str = "policy") -> JointCommand:
    q = np.array(ROBOT.stand_pose) + 0.05 if q is None else q
    return JointCommand(stamp_ns, q, np.zeros(12), np.zeros(12), gains)


class Rig:
    """Feeds a supervisor state by state; an obedient robot goes where it is told at once."""

    def __init__(self, lockstep=False, autostart=False, policy=None, config=CONFIG):
        self.recovery = RecoveryController(ROBOT, config, policy)
        self.supervisor = Supervisor(ROBOT, config, self.recovery, lockstep=lockstep, autostart=autostart)
        self.stamp_ns = 0
        self.targets = True
        self.command = None
        self.obedient = True
        self.q = np.array(ROBOT.stand_pose)

    @property
    def mode(self) -> Mode:
        return self.supervisor.mode

    def step(self, tilt_deg: float = 0.0, **parts) -> JointCommand | None:
        """One state; at a tick the target of that stamp follows it while ``targets`` is set."""
        self.stamp_ns += STATE_NS
        parts = {"q": self.q, "dq": np.zeros(12), **parts}
        if self.command is not None:
            parts.setdefault("tau", torque(self.command, parts["q"], parts["dq"]))
        state = state_at(self.stamp_ns, tilt_deg, **parts)
        self.command = self.supervisor.on_state(state)
        if self.targets and self.stamp_ns % STEP_NS == 0:
            answer = self.supervisor.on_target(target_at(self.stamp_ns))
            self.command = answer or self.command
        if self.obedient and self.command is not None and self.command.gains != "damping":
            self.q = self.command.q
        return self.command

    def run(self, seconds: float, tilt_deg: float = 0.0, **parts) -> None:
        for _ in range(round(seconds * NS_PER_S / STATE_NS)):
            self.step(tilt_deg, **parts)

    def until(self, mode: Mode, seconds: float = 10.0, tilt_deg: float = 0.0) -> None:
        """Go on until a mode is reached; it must be within so much robot time."""
        end = self.stamp_ns + round(seconds * NS_PER_S)
        while self.mode is not mode:
            assert self.stamp_ns < end, f"{mode} not reached, still {self.supervisor.snapshot()}"
            self.step(tilt_deg)

    def to_policy(self) -> "Rig":
        """Stand up and arm, as a person would."""
        self.run(0.1)
        assert self.supervisor.request("stand")[0]
        self.run(2.5)
        done, sentence = self.supervisor.request("arm")
        assert done, sentence
        self.until(Mode.POLICY, 0.2)
        return self

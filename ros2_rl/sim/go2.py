"""The firmware of a simulated Go2: the plant behind Unitree's messages, bytes in and bytes out.

LowCmd frames with a wrong check sum are dropped. As on the robot, a motion mode commands the legs until it
is released; the sport service then can stand the robot up and lay it down, and LowCmd counts only after.
"""

import json

import numpy as np

from ros2_rl.robots import JointCommand, MotorCommand
from ros2_rl.safety.config import load_safety
from ros2_rl.safety.poses import PoseScript, lie_down, stand_up
from ros2_rl.sim.plant import Plant
from ros2_rl.unitree import layout, services
from ros2_rl.unitree.codec import Codec
from ros2_rl.unitree.remote import Remote
from ros2_rl.unitree.takeover import MODES

STATE_RATE_HZ = 500.0
PHYSICS_DT = 0.002
_EMPTY_V, _FULL_V, _AMPERE, _CELLS = 24.0, 28.8, -1.5, 8
_IMU_TEMPERATURE = 45  # °C
_REFUSED = 7002
"""Code of the motion switcher for a mode that it cannot select."""


class SimulatedGo2:
    """One robot; :meth:`advance` once every 2 ms of robot time.

    Args:
        plant: the robot's body, one physics step a state.
        mode: motion mode that is active at the start; empty: released.
    """

    def __init__(self, plant: Plant, mode: str = "normal"):
        self.plant, self.mode, self.remote = plant, mode, Remote()
        self._codec = Codec(plant.robot)
        self._stand = load_safety(plant.robot.name).stand
        self._script: PoseScript | None = None
        self._frame = self._blank()
        self.received = 0
        self.bad_frames = 0
        """LowCmd frames that were dropped: wrong size, head or check sum, or not finite."""
        self.ignored = 0
        """Sound frames that came while a motion mode commanded the legs."""
        self.last: MotorCommand | None = None
        """The last LowCmd that was followed."""

    def _blank(self) -> np.ndarray:
        frame = np.zeros((), layout.LOW_STATE)
        frame["head"], frame["level_flag"] = layout.HEAD, layout.LOW_LEVEL
        frame["motor_state"]["mode"][:12] = layout.SERVO
        frame["imu_state"]["temperature"] = _IMU_TEMPERATURE
        frame["power_a"], frame["bms_state"]["current"] = _AMPERE, round(1000 * _AMPERE)
        return frame

    def _write_health(self) -> None:
        """Battery and temperatures, as the perturbations of the moment have them."""
        gap, battery = self.plant.perturbations, self._frame["bms_state"]
        volt = _EMPTY_V + gap.battery_share * (_FULL_V - _EMPTY_V)
        self._frame["power_v"], battery["soc"] = volt, round(100 * gap.battery_share)
        battery["cell_vol"][:_CELLS] = round(1000 * volt / _CELLS)
        self._frame["motor_state"]["temperature"][:12] = min(round(gap.motor_temperature_c), 127)

    # ---- robot time

    @property
    def tick(self) -> int:
        """Robot time, ms."""
        return self.plant.stamp_ns // 1_000_000

    def advance(self) -> None:
        """Simulate up to the next state."""
        if self.mode:
            self.plant.apply(self._own_command())
        self.plant.advance()

    def low_state(self) -> bytes:
        """The present state as a sealed LowState (C struct)."""
        frame = self._frame
        self._codec.write_state(frame, self.plant.state())
        self._write_health()
        frame["tick"] = self.tick
        frame["wireless_remote"] = np.frombuffer(self.remote.pack(), "u1")
        return layout.sealed(frame)

    def low_cmd(self, payload: bytes) -> bool:
        """A LowCmd (C struct) has come; whether it is followed."""
        self.received += 1
        if len(payload) != layout.LOW_CMD.itemsize or not layout.intact(payload):
            self.bad_frames += 1
            return False
        if self.mode:
            self.ignored += 1
            return False
        command = self._codec.motor_command(payload, self.plant.stamp_ns)
        if not self.plant.apply(command):
            self.bad_frames += 1
            return False
        self.last = command
        return True

    # ---- services

    def motion_switcher(self, api_id: int, parameter: str) -> services.Answer:
        """Check, select or release the motion mode."""
        if api_id == services.CHECK_MODE:
            return 0, json.dumps({"form": "0", "name": self.mode})
        if api_id == services.RELEASE_MODE:
            self._enter("")
            return 0, ""
        if api_id == services.SELECT_MODE:
            return self._select(parameter)
        return _common(api_id)

    def sport(self, api_id: int, parameter: str) -> services.Answer:
        """Stand up, lie down or damp, while a motion mode is active."""
        if api_id not in (services.STAND_UP, services.BALANCE_STAND, services.RECOVERY_STAND,
                          services.STAND_DOWN, services.DAMP):  # fmt: skip
            return _common(api_id)
        if not self.mode:
            return services.NOT_IMPLEMENTED, ""
        robot, state = self.plant.robot, self.plant.state()
        if api_id == services.DAMP:
            self._script = None
        elif api_id == services.STAND_DOWN:
            self._script = lie_down(robot, self._stand, state)
        else:
            self._script = stand_up(robot, self._stand, state)
        return 0, ""

    def _select(self, parameter: str) -> services.Answer:
        try:
            name = json.loads(parameter)["name"]
        except (ValueError, KeyError, TypeError):
            return services.BAD_PARAMETER, ""
        if name not in MODES:
            return _REFUSED, ""
        self._enter(name)
        return 0, ""

    def _enter(self, mode: str) -> None:
        self.mode, self._script = mode, None
        self.plant.drives.release()

    def _own_command(self) -> JointCommand:
        """What the motion mode wants of the legs."""
        stamp_ns, zero = self.plant.stamp_ns, np.zeros(self.plant.robot.num_joints)
        if self._script is None:
            return JointCommand(stamp_ns, zero, zero, zero, "damping")
        return self._script.at(stamp_ns)


def _common(api_id: int) -> services.Answer:
    """What every service answers."""
    return (0, "1.0.0.1") if api_id == services.API_VERSION else (services.NOT_IMPLEMENTED, "")

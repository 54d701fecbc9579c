"""Taking the legs over from the robot's own motion modes, and giving them back.

A Go2 boots into a mode of its own that commands the legs. Two writers would fight, so that mode is asked to
lay the robot down and is released; only then is there a LowCmd of ours.
"""

import json
from collections.abc import Callable

import numpy as np

from ros2_rl.errors import ConfigError
from ros2_rl.robots import RobotDescription, RobotState
from ros2_rl.unitree import services

MODES = ("normal", "ai", "advanced", "mcf")
"""Names of motion modes that are known to let go of the legs when they are released."""
_LIE_DOWN_S, _RELEASE_TRIES = 8.0, 5
_FOLDED_CALF, _STILL = -2.2, 0.5
"""Calves of a robot that lies, at most, rad; and its joint speed, rad/s."""


def folded(robot: RobotDescription, state: RobotState) -> bool:
    """Whether the legs are folded under the body and at rest, so that nothing falls when they go limp."""
    calves = [i for i, joint in enumerate(robot.joints) if "calf" in joint]
    return bool(state.q[calves].max() < _FOLDED_CALF and np.abs(state.dq).max() < _STILL)


class TakeOver:
    """See the module.

    Args:
        switcher: the service ``motion_switcher``.
        sport: the service ``sport``.
        lying: whether the robot lies by now.
        commanded: whether somebody else writes LowCmd; looks for a moment.
        wait: lets a time pass, s, while ``lying`` is kept up to date.
    """

    def __init__(
        self,
        switcher: services.Call,
        sport: services.Call,
        lying: Callable[[], bool],
        commanded: Callable[[], bool],
        wait: Callable[[float], None],
    ):
        self._switcher, self._sport = switcher, sport
        self._lying, self._commanded, self._wait = lying, commanded, wait
        self.released = ""
        """The mode that was released and is to be restored."""

    def take(self) -> None:
        """Make sure that nobody commands the legs.

        Raises:
            ConfigError: somebody does and cannot be made to stop; nothing was written to the motors.
        """
        mode = self._mode()
        if mode:
            self._lay_down(mode)
            self._release(mode)
        if self._commanded():
            self.give_back()
            raise ConfigError(
                "Another program writes rt/lowcmd, and two would fight over the legs: end it (an SDK "
                "example, another driver), then start again."
            )

    def give_back(self) -> bool:
        """Select the mode that was released; whether that was done, or there was nothing to do."""
        if not self.released:
            return True
        code, _ = self._switcher(services.SELECT_MODE, json.dumps({"name": self.released}))
        if code == 0:
            self.released = ""
        return code == 0

    def _mode(self) -> str:
        """Name of the mode that is active; empty: none."""
        code, data = self._switcher(services.CHECK_MODE, "{}")
        if code != 0:
            raise ConfigError(
                f"The robot's motion switcher does not answer (code {code}), so nobody can say who commands "
                "the legs: wait until the robot has booted, or update its firmware, then start again."
            )
        try:
            mode = json.loads(data)["name"]
        except (ValueError, KeyError, TypeError):
            mode = data
        if mode and mode not in MODES:
            raise ConfigError(
                f"The robot is in the motion mode '{mode}', which is not one of {', '.join(MODES)} and might "
                "not let go of the legs: select one of those in Unitree's app, then start again."
            )
        return mode

    def _lay_down(self, mode: str) -> None:
        if self._lying():
            return
        self._sport(services.STAND_DOWN, "{}")
        for _ in range(round(_LIE_DOWN_S / 0.1)):
            self._wait(0.1)
            if self._lying():
                return
        raise ConfigError(
            f"The robot does not lie down in its mode '{mode}' and would fall if that were released: "
            "lay it down with its remote, then start again."
        )

    def _release(self, mode: str) -> None:
        for _ in range(_RELEASE_TRIES):
            self._switcher(services.RELEASE_MODE, "{}")
            self._wait(0.2)
            if not self._mode():
                self.released = mode
                return
        raise ConfigError(
            f"The robot does not let go of its motion mode '{mode}': restart the robot, then start again."
        )

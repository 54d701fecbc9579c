"""A window onto the simulated robot."""

import os
import sys
from typing import Any

import mujoco

from ros2_rl.errors import ConfigError

_REMEDY = "set headless to true, or start where there is a display"


class Viewer:
    """MuJoCo's passive viewer, refreshed by :meth:`show`; closing the window stops nothing.

    Raises:
        ConfigError: there is no display.
    """

    def __init__(self, model: mujoco.MjModel, data: mujoco.MjData):
        if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            raise ConfigError(f"The viewer finds no display: {_REMEDY}.")
        self._handle: Any = _launch(model, data)

    def show(self) -> None:
        if self._handle.is_running():
            self._handle.sync()

    def close(self) -> None:
        self._handle.close()


def _launch(model: mujoco.MjModel, data: mujoco.MjData) -> Any:
    try:
        import mujoco.viewer  # needs a graphics library, which a headless machine lacks

        return mujoco.viewer.launch_passive(model, data, show_left_ui=False, show_right_ui=False)
    except (ImportError, RuntimeError, mujoco.FatalError) as error:
        raise ConfigError(f"The viewer does not start ({error}): {_REMEDY}.") from error

"""Node ``teleop``: a person steers, takes over, gives back and judges, with a pad or a keyboard.

It says ``teleop/cmd_vel`` while the person asks for a velocity, and calls services for the rest.
Whether a person's command holds is decided by ``practice``, whether a person drives by ``supervisor``.
"""

import select
import sys
import termios
import time
import tty
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Joy

from ros2_rl.errors import ConfigError
from ros2_rl.nodes._main import run
from ros2_rl.nodes.loop_diagnostics import LoopDiagnostics
from ros2_rl.nodes.parameters import Row, declare
from ros2_rl.nodes.person_topics import PersonTopics
from ros2_rl.robots import load_robot
from ros2_rl.teleop.config import KeyboardConfig, PadConfig, load_teleop
from ros2_rl.teleop.intent import Intent, Keyboard, Pad

_PERIOD_S = 0.05

_PARAMETERS: tuple[Row, ...] = (
    ("device", "pad", "mapping, a file in config/teleop: pad, keyboard, arm_pad, ..."),
    ("robot", "go2", "robot in config/robots in whose axes the velocities are"),
)


class Teleop(Node):
    """Passes on what a person wants."""

    def __init__(self) -> None:
        super().__init__("teleop")
        value = declare(self, _PARAMETERS)
        config = load_teleop(value("device"))
        self._pad = Pad(config) if isinstance(config, PadConfig) else None
        self._keys = _Terminal(config) if isinstance(config, KeyboardConfig) else None
        self._hands = PersonTopics(self, load_robot(value("robot")).base_link)
        self._loop = LoopDiagnostics(self, min_rate_hz=0.5 / _PERIOD_S, max_execution_ms=1e3 * _PERIOD_S)
        if self._pad is not None:
            self.create_subscription(Joy, "joy", self._on_joy, qos_profile_sensor_data)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(_PERIOD_S, self._on_time, clock=steady)
        self.create_timer(1.0, self._each_second, clock=steady)

    def close(self) -> None:
        if self._keys is not None:
            self._keys.close()

    def _on_joy(self, msg: Joy) -> None:
        assert self._pad is not None
        self._follow(self._pad.update(msg.axes, msg.buttons, time.monotonic()))

    def _on_time(self) -> None:
        begin = time.monotonic()
        if self._keys is not None:
            self._follow(self._keys.read(begin))
        self._loop.ran(time.monotonic_ns(), time.monotonic() - begin)

    def _follow(self, intent: Intent) -> None:
        self._hands.follow(intent, self.get_clock().now().to_msg())

    def _each_second(self) -> None:
        fault = self._pad.look(time.monotonic()) if self._pad is not None else ""
        level = DiagnosticStatus.WARN if fault else DiagnosticStatus.OK
        text = fault or "a person can steer"
        self._loop.tell(self.get_clock().now().nanoseconds, text, level, commands=self._hands.sent)


class _Terminal:
    """Keys of the terminal this was started in, without waiting for Return.

    Raises:
        ConfigError: there is no terminal.
    """

    def __init__(self, config: KeyboardConfig):
        if not sys.stdin.isatty():
            raise ConfigError(
                "There is no terminal to read keys from; start `ros2 run ros2_rl teleop` in one of your own."
            )
        self._keyboard = Keyboard(config)
        self._before: list[Any] = termios.tcgetattr(sys.stdin)
        tty.setcbreak(sys.stdin)
        print(config.help, flush=True)

    def read(self, now_s: float) -> Intent:
        """Take what was typed since the last call."""
        while select.select([sys.stdin], [], [], 0.0)[0]:
            key = sys.stdin.read(1)
            if not key:
                break
            self._keyboard.press(key, now_s)
        return self._keyboard.intent(now_s)

    def close(self) -> None:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self._before)


def main(args: list[str] | None = None) -> int:
    """Entry point of ``ros2 run ros2_rl teleop``."""
    return run(Teleop, args)


if __name__ == "__main__":
    sys.exit(main())

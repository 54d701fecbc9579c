"""What a person wants, out of axes, buttons and keys; the clock is the caller's.

A velocity is asked for only while the deadman is held (a pad) or a key repeats (a keyboard). A
button asks once, when it goes down; one that is down when the device is first heard asks nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ros2_rl.teleop.config import KeyboardConfig, PadConfig


@dataclass
class Intent:
    """What is asked for just now."""

    velocity: np.ndarray | None = None
    """Along x, y and z, (3,), m/s; None: none is asked for."""
    yaw_rate: float = 0.0
    """About z, rad/s."""
    requests: list[str] = field(default_factory=list)
    """Names of config.REQUESTS."""


class Pad:
    """A gamepad or remote.

    Attributes:
        fault: what is wrong with the device; empty when it is well.
    """

    LOST_S, STUCK_S, DEAD_S = 0.5, 20.0, 5.0
    """No message; a button that stays down; a deadman that is held over sticks that never move."""

    def __init__(self, config: PadConfig):
        self._config = config
        self._down: dict[int, float] = {}
        self._heard_s: float | None = None
        self._moved_s = 0.0
        self.fault = "no message of the pad has come yet"

    def update(self, axes: Sequence[float], buttons: Sequence[int], now_s: float) -> Intent:
        """Take a message of the device; a faulty one asks for nothing but ``stop``."""
        first, self._heard_s = self._heard_s is None, now_s
        self.fault = self._check(axes, buttons)
        if self.fault:
            return Intent()
        pressed = self._pressed(buttons, now_s, first)
        self.fault = self._device_fault(axes, buttons, now_s)
        if self.fault:
            return Intent(requests=[name for name in pressed if name == "stop"])
        if not buttons[self._config.deadman]:
            return Intent(requests=pressed)
        wanted = self._config.axes
        asked = {n: _beyond(axes[a.axis], self._config.deadzone) * a.full for n, a in wanted.items()}
        return _moving(asked, pressed)

    def look(self, now_s: float) -> str:
        """The fault as of now: a device that has fallen silent is lost."""
        if self._heard_s is not None and now_s - self._heard_s > self.LOST_S:
            self.fault = f"the pad has been silent for {now_s - self._heard_s:.1f} s; is it plugged in?"
        return self.fault

    def _check(self, axes: Sequence[float], buttons: Sequence[int]) -> str:
        cfg = self._config
        axis = max(axis.axis for axis in cfg.axes.values())
        button = max(cfg.deadman, *cfg.buttons.values())
        if len(axes) <= axis or len(buttons) <= button:
            return (
                f"the pad has {len(axes)} axes and {len(buttons)} buttons, the mapping needs "
                f"{axis + 1} and {button + 1}; choose another file of config/teleop"
            )
        if not np.isfinite(axes).all() or np.abs(axes).max() > 1.01:
            return "the pad's axes are not within -1 and 1"
        return ""

    def _pressed(self, buttons: Sequence[int], now_s: float, first: bool) -> list[str]:
        """Requests whose button has just gone down."""
        down = {i for i, value in enumerate(buttons) if value}
        new = set() if first else down - set(self._down)
        self._down = {i: self._down.get(i, now_s) for i in down}
        return [name for name, button in self._config.buttons.items() if button in new]

    def _device_fault(self, axes: Sequence[float], buttons: Sequence[int], now_s: float) -> str:
        cfg = self._config
        for name, button in cfg.buttons.items():
            if button in self._down and now_s - self._down[button] > self.STUCK_S:
                return f"the button {name} has been down for {self.STUCK_S:.0f} s; it is stuck"
        if not buttons[cfg.deadman] or np.any(axes):
            self._moved_s = now_s
        if now_s - self._moved_s > self.DEAD_S:
            return f"the pad has sent zeros for {self.DEAD_S:.0f} s with the deadman held; is it switched on?"
        return ""


class Keyboard:
    """A terminal's keys; :meth:`press` takes them, :meth:`intent` says what they mean now."""

    def __init__(self, config: KeyboardConfig):
        self._config = config
        self._pressed_s: dict[str, float] = {}
        self._requests: list[str] = []

    def press(self, key: str, now_s: float) -> None:
        """A key came; unknown ones are ignored."""
        for name, wanted in self._config.keys.items():
            if key == wanted:
                self._requests.append(name)
                return
        self._pressed_s[key] = now_s

    def intent(self, now_s: float) -> Intent:
        """Velocities of the keys that are held, and the requests since the last call."""
        cfg = self._config
        held = {key for key, at in self._pressed_s.items() if now_s - at <= cfg.hold_s}
        requests, self._requests = self._requests, []
        if not any(key in held for pair in cfg.pairs.values() for key in (pair.more, pair.less)):
            return Intent(requests=requests)
        asked = {n: p.full * ((p.more in held) - (p.less in held)) for n, p in cfg.pairs.items()}
        return _moving(asked, requests)


def _moving(asked: Mapping[str, float], requests: list[str]) -> Intent:
    velocity = np.array([asked.get(name, 0.0) for name in ("vx", "vy", "vz")])
    return Intent(velocity, asked.get("wz", 0.0), requests)


def _beyond(value: float, deadzone: float) -> float:
    """Zero within the dead zone, and from there on without a jump to full deflection."""
    return float(np.sign(value) * max(abs(value) - deadzone, 0.0) / (1.0 - deadzone))

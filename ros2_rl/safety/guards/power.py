"""Guard of the battery: the robot lies down while it still can."""

from ros2_rl.safety.guards.base import TickGuard
from ros2_rl.safety.rules import BatteryRule
from ros2_rl.safety.senses import Sample, Tick


class BatteryGuard(TickGuard):
    """The battery is nearly empty, or its voltage sags."""

    name = "battery"

    def __init__(self, settings: BatteryRule):
        super().__init__(settings)
        self._share, self._volts = settings.share, settings.volts

    def sees_tick(self, sample: Sample, tick: Tick) -> bool:
        share, volts = sample.senses.battery_share, sample.senses.battery_v
        return (share is not None and share < self._share) or (volts is not None and volts < self._volts)

    def cause(self, sample: Sample) -> str:
        share, volts = sample.senses.battery_share, sample.senses.battery_v
        parts = [f"{100 * share:.0f} %"] if share is not None else []
        parts += [f"{volts:.1f} V"] if volts is not None else []
        return f"the battery is down to {' and '.join(parts)}"

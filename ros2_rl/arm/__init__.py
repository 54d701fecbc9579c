"""An arm under ros2_control: what may be sent to its position controller."""

from ros2_rl.arm.gate import Limits, PositionGate, Stance

__all__ = ["Limits", "PositionGate", "Stance"]

"""Robot descriptions and the plain data that passes between the parts."""

from ros2_rl.robots.description import GainSet, RobotDescription, load_robot
from ros2_rl.robots.types import (
    NS_PER_S,
    BaseEstimate,
    ImuReading,
    JointCommand,
    MotorCommand,
    RobotState,
    projected_gravity,
    tilt,
    yaw_of,
)

__all__ = [
    "NS_PER_S",
    "BaseEstimate",
    "GainSet",
    "ImuReading",
    "JointCommand",
    "MotorCommand",
    "RobotDescription",
    "RobotState",
    "load_robot",
    "projected_gravity",
    "tilt",
    "yaw_of",
]

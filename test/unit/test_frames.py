"""The frames of the robot's links, against the estimator's kinematics."""

import numpy as np
import pytest

from ros2_rl.console.frames import LinkFrames
from ros2_rl.errors import ConfigError
from ros2_rl.estimation.kinematics import FootKinematics
from ros2_rl.robots import load_robot

ROBOT = load_robot("go2")


def rotate(quat: np.ndarray, vector: np.ndarray) -> np.ndarray:
    w, axis = quat[0], quat[1:]
    return vector + 2.0 * np.cross(axis, np.cross(axis, vector) + w * vector)


def test_chained_frames_end_at_the_feet():
    q = np.random.default_rng(0).uniform(-0.5, 0.5, len(ROBOT.joints)) + ROBOT.default_pose
    frames = {frame.child: frame for frame in LinkFrames(ROBOT.urdf, ROBOT.joints).at(q)}
    kinematics, feet = FootKinematics(ROBOT), []
    for foot in ROBOT.feet:
        name, point = foot, np.zeros(3)
        while name in frames:
            point = frames[name].position + rotate(frames[name].quat, point)
            name = frames[name].parent
        assert name == ROBOT.base_link
        feet.append(point)
    kinematics.update(q)
    np.testing.assert_allclose(feet, kinematics.positions, atol=1e-9)


def test_a_joint_that_is_not_there_is_named():
    with pytest.raises(ConfigError, match="has no joint elbow"):
        LinkFrames(ROBOT.urdf, ("elbow",))

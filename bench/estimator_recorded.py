"""A recorded run of the simulator as a walk for ``bench/estimator.py``: its states, the truth beside them."""

from pathlib import Path

import numpy as np
from estimator_runs import Walk

from ros2_rl.errors import RecordError
from ros2_rl.estimation import EstimatorParams
from ros2_rl.messages import base_estimate, to_ns
from ros2_rl.recording.decode import Decoder
from ros2_rl.recording.inputs import states
from ros2_rl.recording.reader import Bag
from ros2_rl.recording.settings import RunSettings
from ros2_rl.robots import BaseEstimate, RobotDescription

TRUTH = "ground_truth/odom"
ENOUGH = 1000
"""Fewer states than that say nothing."""


def recorded(path: Path) -> tuple[RobotDescription, Walk, EstimatorParams]:
    """Robot, states with their truth, parameters of the estimator that was recorded.

    Raises:
        Ros2RlError: it is no record, tells nothing of the truth, or is too short.
    """
    bag = Bag(path)
    if not bag.has(TRUTH):
        raise RecordError(f"The record {path} has no {TRUTH}: only a run of the simulator can be judged.")
    settings = RunSettings(bag)
    robot, known = settings.robot(), truths(bag)
    walk = [(s, known[s.stamp_ns]) for s in states(bag, robot) if s.stamp_ns in known]
    if len(walk) < ENOUGH:
        raise RecordError(
            f"The record {path} has {len(walk)} states with their truth, too few; record 5 s or more."
        )
    return robot, walk, settings.estimator()


def truths(bag: Bag) -> dict[int, BaseEstimate]:
    """By stamp."""
    messages = (odom for _, _, odom in Decoder(bag).messages([TRUTH]))
    return {to_ns(odom.header.stamp): base_estimate(odom, np.zeros(0)) for odom in messages}

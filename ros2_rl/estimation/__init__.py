"""The state of the base, from joints, IMU and feet alone."""

from ros2_rl.estimation.estimator import Estimator
from ros2_rl.estimation.params import EstimatorParams

__all__ = ["Estimator", "EstimatorParams"]

"""Tasks: what the robot is asked to do and how well it does it."""

from ros2_rl.tasks.clock import gait_clock, step_number
from ros2_rl.tasks.loading import load_task
from ros2_rl.tasks.scorer import Scorer
from ros2_rl.tasks.task import Task
from ros2_rl.tasks.terms import StepData

__all__ = ["Scorer", "StepData", "Task", "gait_clock", "load_task", "step_number"]

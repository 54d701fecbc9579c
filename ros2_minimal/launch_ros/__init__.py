"""A small stand-in for ROS 2's ``launch_ros``: nodes as actions."""

from launch_ros import actions, descriptions, parameter_descriptions, substitutions

__all__ = ["actions", "descriptions", "parameter_descriptions", "substitutions"]

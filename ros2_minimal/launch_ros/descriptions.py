"""Descriptions of parameters, under the name that some launch files import them from."""

from launch_ros.parameter_descriptions import ParameterFile, ParameterValue

__all__ = ["ParameterFile", "ParameterValue"]

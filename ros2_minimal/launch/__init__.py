"""A small stand-in for ROS 2's ``launch``: what ordinary launch files use, with the same meaning."""

from launch import actions, conditions, event_handlers, events, launch_description_sources, substitutions
from launch.conditions import Condition
from launch.context import LaunchContext
from launch.entity import Action, LaunchDescription, LaunchDescriptionEntity
from launch.event_handlers import EventHandler
from launch.events import Event
from launch.launch_description_sources import LaunchDescriptionSource
from launch.service import LaunchService
from launch.some_substitutions_type import SomeSubstitutionsType
from launch.substitution import Substitution

__all__ = [
    "Action",
    "Condition",
    "Event",
    "EventHandler",
    "LaunchContext",
    "LaunchDescription",
    "LaunchDescriptionEntity",
    "LaunchDescriptionSource",
    "LaunchService",
    "SomeSubstitutionsType",
    "Substitution",
    "actions",
    "conditions",
    "event_handlers",
    "events",
    "launch_description_sources",
    "substitutions",
]

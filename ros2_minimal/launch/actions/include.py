"""Launch files within launch files."""

from collections.abc import Iterable
from typing import Any

from launch.actions.basic import SetLaunchConfiguration
from launch.context import LaunchContext
from launch.entity import Action, LaunchDescription, LaunchDescriptionEntity
from launch.launch_description_sources import LaunchDescriptionSource
from launch.substitution import SomeSubstitutionsType


class IncludeLaunchDescription(Action):
    """Do what another launch description says, with arguments set before."""

    def __init__(
        self,
        launch_description_source: LaunchDescriptionSource | LaunchDescription,
        *,
        launch_arguments: Iterable[tuple[SomeSubstitutionsType, SomeSubstitutionsType]] | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if isinstance(launch_description_source, LaunchDescription):
            launch_description_source = LaunchDescriptionSource(launch_description_source)
        self._source = launch_description_source
        self.launch_arguments = list(launch_arguments or [])

    def sub_entities(self) -> Iterable[LaunchDescriptionEntity]:
        """The other description, if it can be read before the launch runs."""
        found = self._source.try_get_launch_description_without_context()
        return [] if found is None else [found]

    def execute(self, context: LaunchContext) -> Iterable[LaunchDescriptionEntity]:
        """Set the arguments, then the other description."""
        description = self._source.get_launch_description(context)
        context.extend_locals({"current_launch_file_path": self._source.location})
        settings = [SetLaunchConfiguration(name, value) for name, value in self.launch_arguments]
        return [*settings, description]

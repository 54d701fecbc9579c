"""Actions and descriptions: what a launch is made of."""

from collections.abc import Iterable, Iterator
from typing import Any

from launch.conditions import Condition
from launch.context import LaunchContext


class LaunchDescriptionEntity:
    """Anything that can be visited while a launch runs."""

    def visit(self, context: LaunchContext) -> Iterable["LaunchDescriptionEntity"] | None:
        """Do what is to be done; gives entities to visit next."""
        raise NotImplementedError

    def sub_entities(self) -> Iterable["LaunchDescriptionEntity"]:
        """Entities below this one that are known before the launch runs."""
        return ()


class Action(LaunchDescriptionEntity):
    """Something to do, perhaps under a condition."""

    def __init__(self, *, condition: Condition | None = None):
        self.condition = condition

    def visit(self, context: LaunchContext) -> Iterable[LaunchDescriptionEntity] | None:
        """Execute, if the condition holds."""
        if self.condition is None or self.condition.evaluate(context):
            return self.execute(context)
        return None

    def execute(self, context: LaunchContext) -> Iterable[LaunchDescriptionEntity] | None:
        """Do it; gives entities to visit next."""
        raise NotImplementedError


class LaunchDescription(LaunchDescriptionEntity):
    """An ordered list of entities."""

    def __init__(self, initial_entities: Iterable[LaunchDescriptionEntity] | None = None):
        self.entities: list[LaunchDescriptionEntity] = list(initial_entities or [])

    def visit(self, context: LaunchContext) -> Iterable[LaunchDescriptionEntity]:
        """All entities, in order."""
        return self.entities

    def sub_entities(self) -> Iterable[LaunchDescriptionEntity]:
        """All entities, in order."""
        return self.entities

    def add_action(self, action: LaunchDescriptionEntity) -> None:
        """Append an entity."""
        self.entities.append(action)

    add_entity = add_action

    def get_launch_arguments(self) -> list[Any]:
        """The declared arguments, those of groups and included files too, each name once."""
        from launch.actions.basic import DeclareLaunchArgument

        found: dict[str, Any] = {}
        for entity in walk(self):
            if isinstance(entity, DeclareLaunchArgument):
                found.setdefault(entity.name, entity)
        return list(found.values())


def walk(entity: LaunchDescriptionEntity) -> Iterator[LaunchDescriptionEntity]:
    """An entity and all below it."""
    yield entity
    for below in entity.sub_entities():
        yield from walk(below)


def visit_all(entity: LaunchDescriptionEntity, context: LaunchContext) -> None:
    """Visit an entity and, depth first, all that it gives."""
    for below in entity.visit(context) or ():
        visit_all(below, context)

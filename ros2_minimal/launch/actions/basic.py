"""Actions that are done at once."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from launch import screen
from launch.context import LaunchContext
from launch.entity import Action, LaunchDescriptionEntity
from launch.event_handlers import EventHandler
from launch.events import Shutdown as ShutdownEvent
from launch.substitution import SomeSubstitutionsType, normalize, perform


class SetLaunchConfiguration(Action):
    """Set a launch configuration."""

    def __init__(self, name: SomeSubstitutionsType, value: SomeSubstitutionsType, **kwargs: Any):
        super().__init__(**kwargs)
        self._name, self._value = normalize(name), normalize(value)

    def execute(self, context: LaunchContext) -> None:
        """Set it."""
        context.launch_configurations[perform(context, self._name)] = perform(context, self._value)


class DeclareLaunchArgument(Action):
    """An argument of a launch file: its default, its description, what it may be."""

    def __init__(
        self,
        name: str,
        *,
        default_value: SomeSubstitutionsType | None = None,
        description: str | None = None,
        choices: Iterable[str] | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.name = name
        self.default_value = None if default_value is None else normalize(default_value)
        self.choices = None if choices is None else list(choices)
        valid = f" One of: {', '.join(self.choices)}." if self.choices else ""
        self.description = (description or "no description given") + valid

    def execute(self, context: LaunchContext) -> None:
        """Set the default, where no value was given, and check the value."""
        if self.name not in context.launch_configurations:
            if self.default_value is None:
                raise RuntimeError(f"The launch argument '{self.name}' ({self.description}) needs a value.")
            context.launch_configurations[self.name] = perform(context, self.default_value)
        value = context.launch_configurations[self.name]
        if self.choices is not None and value not in self.choices:
            valid = ", ".join(self.choices)
            raise RuntimeError(
                f"The launch argument '{self.name}' cannot be '{value}'; it is one of {valid}."
            )


class LogInfo(Action):
    """Print a line."""

    def __init__(self, *, msg: SomeSubstitutionsType, **kwargs: Any):
        super().__init__(**kwargs)
        self._msg = normalize(msg)

    def execute(self, context: LaunchContext) -> None:
        """Print it."""
        screen.info("launch.user", perform(context, self._msg))


class OpaqueFunction(Action):
    """Call ``function(context, *args, **kwargs)``; it may give entities to visit."""

    def __init__(
        self,
        *,
        function: Callable[..., Iterable[LaunchDescriptionEntity] | None],
        args: Iterable[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        **left_over: Any,
    ):
        super().__init__(**left_over)
        self._function, self._args, self._kwargs = function, tuple(args), dict(kwargs or {})

    def execute(self, context: LaunchContext) -> Iterable[LaunchDescriptionEntity] | None:
        """Call it."""
        return self._function(context, *self._args, **self._kwargs)


class RegisterEventHandler(Action):
    """From now on, react to an event."""

    def __init__(self, event_handler: EventHandler, **kwargs: Any):
        super().__init__(**kwargs)
        self.event_handler = event_handler

    def execute(self, context: LaunchContext) -> None:
        """Register the handler."""
        context.register_event_handler(self.event_handler)


class UnregisterEventHandler(RegisterEventHandler):
    """No longer react to an event."""

    def execute(self, context: LaunchContext) -> None:
        """Take the handler away."""
        context.unregister_event_handler(self.event_handler)


class SetEnvironmentVariable(Action):
    """Set a variable for the processes that begin from here on."""

    def __init__(self, name: SomeSubstitutionsType, value: SomeSubstitutionsType, **kwargs: Any):
        super().__init__(**kwargs)
        self._name, self._value = normalize(name), normalize(value)

    def execute(self, context: LaunchContext) -> None:
        """Set it."""
        context.environment[perform(context, self._name)] = perform(context, self._value)


class EmitEvent(Action):
    """Let an event happen."""

    def __init__(self, *, event: Any, **kwargs: Any):
        super().__init__(**kwargs)
        self.event = event

    def execute(self, context: LaunchContext) -> None:
        """Queue the event."""
        context.emit_event_sync(self.event)


class Shutdown(EmitEvent):
    """End the launch."""

    def __init__(self, *, reason: str = "reason not given", **kwargs: Any):
        super().__init__(event=ShutdownEvent(reason=reason), **kwargs)


class _Push(Action):
    """Open a scope."""

    def execute(self, context: LaunchContext) -> None:
        context.push()


class _Pop(Action):
    """Close a scope."""

    def execute(self, context: LaunchContext) -> None:
        context.pop()


class GroupAction(Action):
    """Actions together: one condition, and configurations and environment of their own if scoped."""

    def __init__(
        self,
        actions: Iterable[Action],
        *,
        scoped: bool = True,
        launch_configurations: Mapping[Any, SomeSubstitutionsType] | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self._actions, self._scoped = list(actions), scoped
        self._settings = [SetLaunchConfiguration(k, v) for k, v in (launch_configurations or {}).items()]

    def sub_entities(self) -> Iterable[LaunchDescriptionEntity]:
        """The actions."""
        return self._actions

    def execute(self, context: LaunchContext) -> Iterable[LaunchDescriptionEntity]:
        """The actions, within their scope."""
        actions = [*self._settings, *self._actions]
        return [_Push(), *actions, _Pop()] if self._scoped else actions

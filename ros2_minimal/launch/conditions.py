"""When an action is to be taken."""

from collections.abc import Callable

from launch.context import LaunchContext
from launch.substitution import SomeSubstitutionsType, normalize, perform, truth

__all__ = ["IfCondition", "UnlessCondition"]


class Condition:
    """A predicate of the context."""

    def __init__(self, *, predicate: Callable[[LaunchContext], bool]):
        self._predicate = predicate

    def evaluate(self, context: LaunchContext) -> bool:
        """Whether the action is to be taken."""
        return self._predicate(context)


class IfCondition(Condition):
    """Taken if the expression's text is true or 1."""

    def __init__(self, predicate_expression: SomeSubstitutionsType):
        self._expression = normalize(predicate_expression)
        super().__init__(predicate=self._is_true)

    def _is_true(self, context: LaunchContext) -> bool:
        return truth(perform(context, self._expression), "A condition")


class UnlessCondition(IfCondition):
    """Taken if the expression's text is false or 0."""

    def evaluate(self, context: LaunchContext) -> bool:
        """Whether the action is to be taken."""
        return not super().evaluate(context)

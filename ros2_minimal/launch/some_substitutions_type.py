"""The type of arguments that may hold substitutions."""

from launch.substitution import SomeSubstitutionsType

__all__ = ["SomeSubstitutionsType"]

"""Policies of other stacks, turned into our ONNX file with its contract."""

from ros2_rl.importing.convert import Imported, import_policy

__all__ = ["Imported", "import_policy"]

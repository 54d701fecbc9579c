"""An arm with a tool: its tasks, its actions, and who shows it how."""

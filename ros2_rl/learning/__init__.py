"""Fine-tuning on the robot: SLowRL, the session around it, and what a run leaves behind."""

"""The supervisor: the one who has the last word on what the robot's joints are told."""

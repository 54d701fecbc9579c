"""ros2_rl: safe fine-tuning of locomotion and manipulation policies on the robot."""

"""Records of runs: rosbag2 folders with MCAP storage, written, read, replayed and reported.

No module here imports rclpy. ``docs/recording.md`` says what a record holds.
"""

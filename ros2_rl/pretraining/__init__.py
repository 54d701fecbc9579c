"""Pre-training of base policies in a batched simulation, with rsl_rl's PPO."""

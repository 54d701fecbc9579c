"""The exam that a policy has to pass before it may be promoted: what it asks, and how it is marked."""

"""A simulated copy of the very robot: fitted to what it did, and practised in while it walks on."""

"""Policies: their contract, observations, ONNX sessions, adapters and the step by step runtime."""

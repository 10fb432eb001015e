"""Proof that a lab can be trusted: its steps, its resets, its checks and its typical mistakes."""

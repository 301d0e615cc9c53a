"""Checkpoints: recognised, published, resumed from."""

"""Inputs before the training and outputs during and after it."""

from __future__ import annotations

from .inputs import fetch_inputs
from .outputs import Outputs

__all__ = ["Outputs", "fetch_inputs"]

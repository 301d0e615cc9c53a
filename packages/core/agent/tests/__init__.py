"""Tests of the host agent's parts, on real files and processes."""

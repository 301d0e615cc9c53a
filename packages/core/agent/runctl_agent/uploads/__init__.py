"""Logs, outputs and metrics on their way to the store."""

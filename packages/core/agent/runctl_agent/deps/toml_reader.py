"""TOML where Python has no reader of its own (before 3.11)."""

from __future__ import annotations

import importlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional

_READERS = ("tomllib", "tomli", "pip._vendor.tomli", "setuptools._vendor.tomli", "setuptools.extern.tomli")


def loads(text: str) -> "Optional[Dict[str, Any]]":
    """The document; None when this Python has no TOML reader at all. ValueError when the text is not TOML."""
    for name in _READERS:
        try:
            module = importlib.import_module(name)
        except Exception:  # somebody else's package may fail in any way; the next one may do
            continue
        result: "Dict[str, Any]" = module.loads(text)
        return result
    return None

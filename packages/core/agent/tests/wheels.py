"""Real wheels, made here, so that installers have something to install without a network."""

from __future__ import annotations

import base64
import hashlib
import os
import zipfile


def make(folder: str, name: str, version: str, body: str = "", requires: "tuple[str, ...]" = ()) -> str:
    """A pure wheel with one module of the same name."""
    os.makedirs(folder, exist_ok=True)
    info = "%s-%s.dist-info" % (name, version)
    metadata = "Metadata-Version: 2.1\nName: %s\nVersion: %s\n" % (name, version) + "".join(
        "Requires-Dist: %s\n" % item for item in requires
    )
    files = {
        "%s.py" % name: "VERSION = %r\n%s" % (version, body),
        "%s/METADATA" % info: metadata,
        "%s/WHEEL" % info: "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = ""
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        record += "%s,sha256=%s,%d\n" % (path, digest, len(text.encode()))
    files["%s/RECORD" % info] = record + "%s/RECORD,,\n" % info
    path = os.path.join(folder, "%s-%s-py3-none-any.whl" % (name, version))
    with zipfile.ZipFile(path, "w") as archive:
        for inner, text in files.items():
            archive.writestr(inner, text)
    return path

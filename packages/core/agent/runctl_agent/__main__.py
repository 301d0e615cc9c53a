"""Commands of the agent: extract (once per version and host), supervise and kill (by the guardian)."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List


def extract(archive: str, target: str) -> None:
    """Unpacks the zipapp beside itself, so that compiled modules are kept: importing from a zip compiles every time. Two at once are safe."""
    if not os.path.isfile(os.path.join(target, "__main__.py")):
        import py_compile
        import shutil
        import zipfile

        tmp = "%s.tmp-%d-%s" % (target, os.getpid(), os.urandom(4).hex())
        with zipfile.ZipFile(archive) as zip:
            zip.extractall(tmp)
        for folder, _, names in os.walk(tmp):
            for name in names:
                # The paths in tracebacks are those of the final place.
                path = os.path.join(folder, name)
                if name.endswith(".py"):
                    py_compile.compile(path, dfile=os.path.join(target, os.path.relpath(path, tmp)), quiet=1)
        try:
            os.rename(tmp, target)
        except OSError:
            # Another one was first, or a torn folder is in the way.
            if not os.path.isfile(os.path.join(target, "__main__.py")):
                shutil.rmtree(target, ignore_errors=True)
                os.rename(tmp, target)
            shutil.rmtree(tmp, ignore_errors=True)
    print(sys.executable)


def main(argv: "List[str]") -> None:
    """See the usage line."""
    command = argv[1] if len(argv) > 1 else ""
    if command == "extract" and len(argv) == 3:
        extract(os.path.abspath(argv[0]), argv[2])
    elif command == "supervise" and len(argv) == 4:
        from .attempt.supervisor import supervise

        supervise(argv[2], argv[3])
    elif command == "kill" and len(argv) == 3:
        # For the guardian where there is no /proc.
        from .procs import kill_nonce

        sys.exit(0 if kill_nonce(argv[2]) else 1)
    else:
        sys.exit("usage: %s extract <folder> | supervise <attempt folder> <agent folder> | kill <nonce>" % argv[0])


if __name__ == "__main__":
    main(sys.argv)

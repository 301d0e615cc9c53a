"""Entry of the zipapp and of its extracted copy. Must still parse on old Pythons, to be able to refuse them."""

import sys

if sys.version_info < (3, 8):  # noqa: UP036 - that is what it is for
    sys.exit("Python %d.%d is too old, 3.8 or newer is needed" % sys.version_info[:2])

import os

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from runctl_agent.__main__ import main  # noqa: E402

main(sys.argv)

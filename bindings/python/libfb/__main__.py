# SPDX-License-Identifier: BSD-3-Clause
"""``python3 -m libfb``: see ``--help``."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

# SPDX-License-Identifier: BSD-3-Clause
"""python3 -m libfb.compat PROGRAM [ARGUMENT…]: run a program of fusepy or pyfuse3 on libfb."""

import builtins
import os
import sys
import types

from . import install


def main() -> None:
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    del sys.argv[0]
    program = sys.argv[0]
    # As the interpreter does for a program that it is given, unless told otherwise.
    if not sys.flags.safe_path:
        sys.path[0] = os.path.dirname(os.path.realpath(program))
    install()
    # Not by runpy: a program may look whether it is the main module, and at its __builtins__.
    module = types.ModuleType("__main__")
    module.__dict__.update(__file__=program, __builtins__=builtins)
    sys.modules["__main__"] = module
    with open(program, "rb") as text:
        code = compile(text.read(), program, "exec")
    exec(code, module.__dict__)


if __name__ == "__main__":
    main()

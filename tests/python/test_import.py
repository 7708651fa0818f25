# SPDX-License-Identifier: BSD-3-Clause
"""Importing libfb, and the end of an interpreter that has, where every warning is an error."""

import os
import pathlib
import subprocess
import sys

import libfb
import pytest

BUILT = pathlib.Path(libfb.__file__).parents[1]

#: What a sanitized build needs of the environment; nothing of the rest is to matter.
SANITIZERS = {name: os.environ[name] for name in ("LD_PRELOAD", "ASAN_OPTIONS", "PYTHONMALLOC")
              if name in os.environ}

#: What finalization does to SWIG's module in some order or other.
FORGET = """
import sys, libfb
for name in [name for name in sys.modules if name.startswith("swig_runtime")]:
    sys.modules.pop(name).__dict__.clear()
"""


@pytest.mark.parametrize("program", [
    "import libfb", "import libfb.testing", "from libfb.testing import *", FORGET,
    "import libfb._swig, gc; gc.collect()",
    "import libfb; libfb.testing = 1; libfb.Attr(); libfb.check(libfb.PathFS)",
])
@pytest.mark.parametrize("mode", [(), ("-X", "dev"), ("-O",)], ids=" ".join)
def test_it_is_silent(program: str, mode: tuple[str, ...]) -> None:
    done = subprocess.run([sys.executable, "-P", "-W", "error", *mode, "-c", program], text=True,
                          capture_output=True, timeout=60,
                          env={"PYTHONPATH": str(BUILT), **SANITIZERS})
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

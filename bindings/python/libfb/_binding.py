# SPDX-License-Identifier: BSD-3-Clause
"""Import what SWIG and C make, quietly: SWIG before 4.4 makes types without a module name, which is a
warning that ``-W error`` turns into a crash."""

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from . import _fbc as fbc
    from . import _swig as swig

__all__ = ["fbc", "swig"]

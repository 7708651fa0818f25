# SPDX-License-Identifier: BSD-3-Clause
"""Usage: sitearch.py PREFIX: print where packages with extensions are found, relative to PREFIX."""

import sysconfig
import sys

#: Distributions' own schemes for what they package, before what Python itself would say.
SCHEMES = ("deb_system", "rpm_prefix")


def main() -> None:
    names = sysconfig.get_scheme_names()
    local = sys.argv[1].rstrip("/") == "/usr/local" and "posix_local" in names
    scheme = "posix_local" if local else next((s for s in SCHEMES if s in names),
                                              sysconfig.get_default_scheme())
    path = sysconfig.get_path("platlib", scheme, vars={"base": "@", "platbase": "@"})
    print(path.removeprefix("@/local/").removeprefix("@/"))


main()

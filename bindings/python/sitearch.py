# SPDX-License-Identifier: BSD-3-Clause
"""Print where the distribution keeps packages with extensions, relative to the prefix."""

import sysconfig

names = sysconfig.get_scheme_names()
scheme = next((s for s in ("deb_system", "rpm_prefix") if s in names),
              sysconfig.get_default_scheme())
print(sysconfig.get_path("platlib", scheme, vars={"base": "@", "platbase": "@"})[2:])

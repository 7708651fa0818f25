# SPDX-License-Identifier: BSD-3-Clause
"""What script/bench runs: file-system servers beside each other, over the same folder."""

# SPDX-License-Identifier: BSD-3-Clause
"""Sphinx's settings for the manual. CMake (doc/CMakeLists.txt) calls it on a copy of this folder that
stage.py has made, with the version on the command line."""
import os
import pathlib
import re
import sys

from pygments.lexers import TextLexer

sys.path.insert(0, str(pathlib.Path(__file__).parent))

project = "libfb"
author = "the authors of libfb"
copyright = "the authors of libfb, BSD-3-Clause"

extensions = ["myst_parser", "manlinks"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
exclude_patterns = ["samples"]
nitpicky = True
# Options are written with two hyphens, and messages with straight quotes.
smartquotes = False
highlight_language = "none"
# A piece of a file ends with the empty line in front of the next piece.
highlight_options = {"c": {"stripnl": True}, "python": {"stripnl": True}}

# The package's reference comes from its docstrings, so it needs the built package.
package = os.environ.get("FB_MANUAL_PACKAGE")
if package:
    sys.path.insert(0, package)
    extensions.append("sphinx.ext.autodoc")
    autodoc_member_order = "bysource"
    autodoc_preserve_defaults = True
    autodoc_typehints = "none"
    autodoc_default_options = {"members": True}
    default_role = "code"
else:
    exclude_patterns.append("reference/python.rst")

toc_object_entries_show_parents = "hide"
html_theme = "furo"
html_title = "libfb"
html_static_path = ["_static"]
html_css_files = ["manual.css"]
html_copy_source = False
html_show_sourcelink = False
html_use_index = False
html_domain_indices = False
pygments_style = "friendly"
pygments_dark_style = "native"


def docstring(_app, _what, _name, _object, _options, lines):
    """Docstrings are plain text: have what reStructuredText would read into it stand for itself."""
    plain, bullets = [], False
    for line in lines:
        bullet = re.match(r"\s*\* ", line)
        if bullet and not bullets:
            plain.append("")
        bullets = bool(bullet) or bullets and line.startswith("  ")
        start = bullet.end() if bullet else 0
        plain.append(line[:start] + re.sub(r"[*|\\]|_(?!\w)", r"\\\g<0>", line[start:]))
    lines[:] = plain


def setup(app):
    """Called by Sphinx."""
    for name in ("fstab", "fbfsd"):
        app.add_lexer(name, TextLexer)
    if package:
        app.connect("autodoc-process-docstring", docstring)

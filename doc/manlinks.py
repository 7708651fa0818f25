# SPDX-License-Identifier: BSD-3-Clause
"""A Sphinx extension: fb_mount(3) leads to the page that documents it, wherever it is written: as plain
text, with the role manpage, or as manual pages write it (the name in bold, the section behind it). Pages
of others lead nowhere; an fb_…(3) that no page documents is a mistake."""
import json
import pathlib
import re

from docutils import nodes
from sphinx import addnodes
from sphinx.errors import ExtensionError
from sphinx.transforms import SphinxTransform

MENTION = re.compile(r"\b(fb_\w+|libfb|fbfsd)\(([1-8])\)")
#: What does not hold plain text.
NOT_TEXT = (nodes.literal, nodes.literal_block, nodes.reference, nodes.strong, nodes.title,
            nodes.raw, addnodes.manpage, addnodes.pending_xref)


class ManLinks(SphinxTransform):
    """Turns mentions into links, before Sphinx resolves what is left."""

    default_priority = 5

    def apply(self, **_kwargs):
        if not hasattr(self.env, "man_aliases"):
            path = pathlib.Path(self.env.srcdir) / "reference" / "aliases.json"
            self.env.man_aliases = json.loads(path.read_text())
        for bold in list(self.document.findall(nodes.strong)):
            after = bold.next_node(descend=False, siblings=True)
            if isinstance(after, nodes.Text) and (match := re.match(r"\(([1-8])\)", after)):
                bold.replace_self(self.link(bold, bold.astext(), match[1]))
        for role in list(self.document.findall(addnodes.manpage)):
            if match := re.fullmatch(r"(.+)\((\d)\)", role.astext()):
                role.replace_self(self.link(role, match[1], match[2]))
        for text in list(self.document.findall(nodes.Text)):
            if not isinstance(text.parent, NOT_TEXT) and MENTION.search(text):
                text.parent.replace(text, list(self.pieces(text)))

    def pieces(self, text):
        """A text with links for its mentions."""
        end = 0
        for match in MENTION.finditer(text):
            yield nodes.Text(text[end:match.start()])
            yield self.link(nodes.inline("", match[0]), match[1], match[2])
            end = match.end()
        yield nodes.Text(text[end:])

    def link(self, node, name, section):
        """A link around the node if the page is ours, and another one."""
        page = self.env.man_aliases.get(f"{name}.{section}")
        if page is None and re.match(r"fb_|libfb$|fbfsd$", name):
            raise ExtensionError(f"{self.env.docname}: no page documents {name}({section})")
        target = f"reference/{page}"
        if page is None or target == self.env.docname:
            return node
        return addnodes.pending_xref(
            "", node.deepcopy(), refdomain="std", reftype="doc", refdoc=self.env.docname,
            reftarget=f"/{target}", refexplicit=True, refwarn=True)


def setup(app):
    """Called by Sphinx."""
    app.add_transform(ManLinks)
    return {"parallel_read_safe": True}

# SPDX-License-Identifier: BSD-3-Clause
"""The HTML that was built: links lead somewhere, and nothing is loaded from elsewhere."""
import html.parser
import pathlib
import urllib.parse

import pytest
from pages import BUILD, PAGES

HTML = BUILD / "html"
#: What a browser loads by itself.
LOADED = {("script", "src"), ("link", "href"), ("img", "src"), ("iframe", "src"), ("source", "src"),
          ("object", "data")}


class Page(html.parser.HTMLParser):
    """Links, what is loaded, and the places that links can lead to."""

    def __init__(self, path):
        super().__init__()
        self.links, self.loaded, self.ids = [], [], set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            if name in ("id", "name"):
                self.ids.add(value)
            elif (tag, name) in LOADED:
                self.loaded.append(value)
            elif (tag, name) == ("a", "href"):
                self.links.append(value)


@pytest.fixture(name="site", scope="module")
def _site():
    if not (HTML / "index.html").is_file():
        pytest.skip("the manual was not built (Sphinx, furo, MyST, pandoc)")
    return {path: Page(path) for path in sorted(HTML.rglob("*.html"))}


def target(path, link):
    """The file and place that a link of a page leads to; None for other sites."""
    parts = urllib.parse.urlsplit(link)
    if parts.scheme or parts.netloc:
        return None
    file = (path.parent / urllib.parse.unquote(parts.path)).resolve() if parts.path else path
    return file, urllib.parse.unquote(parts.fragment)


def test_all_pages_are_there(site):
    assert {str(page.relative_to(HTML).with_suffix("")) for page in site} >= {
        page.stem if page.parent.name == "doc" else f"{page.parent.name}/{page.stem}"
        for page in PAGES}
    assert {"fbfsd.8.html", "libfb.3.html", "fb_driver.3.html"} <= {page.name for page in site}


def test_links(site):
    count = 0
    for path, page in site.items():
        for link in page.links:
            found = target(path, link)
            if found is None:
                continue
            file, place = found
            assert file.is_file(), f"{path.name}: {link} leads nowhere"
            if place and file.suffix == ".html":
                assert place in site[file].ids, f"{path.name}: {link}: no such place"
            count += 1
    assert count > 500


def test_manual_pages_lead_to_each_other(site):
    page = site[HTML / "reference" / "libfb.3.html"]
    assert {"fb_driver.3.html", "fb_session.3.html", "fbfsd.8.html"} <= set(page.links)


def test_nothing_is_loaded_from_elsewhere(site):
    for path, page in site.items():
        for link in page.loaded:
            found = target(path, link)
            assert found is not None, f"{path.name} loads {link}"
            assert found[0].is_file(), f"{path.name}: {link} is missing"
    for sheet in HTML.rglob("*.css"):
        assert "url(http" not in sheet.read_text(encoding="utf-8").replace('"', ""), sheet


def test_no_path_of_the_builder(site):
    """What is installed is the same wherever it was built."""
    for path in pathlib.Path(HTML).rglob("*"):
        if path.is_file():
            assert str(BUILD).encode() not in path.read_bytes(), path

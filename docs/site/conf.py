"""Settings of the web pages that `make site` builds with Sphinx; lib/results/web_pages.py lays their sources out."""

import os
import re
from importlib.util import find_spec
from pathlib import Path

from sphinx import addnodes

ROOT = Path(__file__).parents[2]
MATHJAX = Path(find_spec("sphinx-mathjax-offline").origin).parent / "static/mathjax/tex-svg-full.js"

project = "RepRec"
exclude_patterns = ["docs/site"]  # which is linked, but holds no pages
extensions = ["myst_nb"]
html_theme = "pydata_sphinx_theme"
html_title = "RepRec"
html_static_path = ["static", str(MATHJAX)]
html_css_files = ["pages.css"]
html_sidebars = {"index": [], "explorer": []}  # which have no pages below them
html_context = {"default_mode": "auto"}  # light or dark, as the reader has it
html_scaled_image_link = False  # small pictures stand in links of their own
html_copy_source = False
html_show_sphinx = False
# a summary below each hit would be fetched, which browsers do not allow to a page that was opened as a file
html_show_search_summary = False
html_theme_options = {
    "navbar_end": ["theme-switcher"],
    "footer_start": [],
    "footer_end": [],
    "show_prev_next": False,
    "navigation_with_keys": False,
    "navigation_depth": 3,
}
# one file, so that formulas need no network
mathjax_path = MATHJAX.name

nb_execution_mode = "off"  # the outputs are those that the notebooks were committed or executed with
nb_merge_streams = True
nb_render_markdown_format = "myst"  # links in outputs lead on as those in texts do
myst_enable_extensions = ["dollarmath", "amsmath", "html_image"]
myst_heading_anchors = 4
suppress_warnings = ["myst.header", "mystnb.unknown_mime_type"]


def as_on_github(app, document):
    """Lead links where they lead on GitHub: to folders, to the front page, and beside the original of a notebook."""
    for link in list(document.findall(addnodes.pending_xref)):
        if link["reftype"] != "myst" or link["refdomain"]:
            continue  # a link to a page, which leads on already
        target, _, anchor = link["reftarget"].partition("#")
        # notebooks-<dataset> holds executed copies of some of those in notebooks
        for page in (link["refdoc"], re.sub(r"^notebooks-[^/]+/", "notebooks/", link["refdoc"])):
            path = os.path.normpath(Path(page).parent / target)
            name = f"{path}/README" if (ROOT / path).is_dir() else re.sub(r"\.(md|ipynb)$", "", path)
            name = "index" if name in ("README", "./README") else name
            if name in app.env.found_docs:
                link.attributes |= {"refdomain": "doc", "reftarget": name, "reftargetid": anchor or None}
                break
        else:
            if (ROOT / path).exists():  # has no page: what the link says stays
                link.replace_self(link.children)


def setup(app):
    app.connect("doctree-read", as_on_github)

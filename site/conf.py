"""Sphinx's settings for the course's site; `tools/make_site.py` runs Sphinx with them."""

import re

from minillm import __version__

project = "minillm"
author = "the minillm authors"
copyright = "text and figures CC BY 4.0, code MIT"
version = release = __version__
language = "en"

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
myst_enable_extensions = ["dollarmath", "html_image"]
myst_heading_anchors = 4
nb_execution_mode = "off"  # the stored outputs are what the tests compare
nb_merge_streams = True
nb_mime_priority_overrides = [("html", "text/html", 0), ("html", "image/png", 1), ("html", "text/plain", 9)]

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
add_module_names = False

html_theme = "furo"
pygments_dark_style = "github-dark"  # the theme's own underlines the names of modules
html_title = "minillm"
html_copy_source = False
html_show_sourcelink = False
html_static_path = ["_static"]
html_extra_path = ["extra"]
html_css_files = ["site.css"]
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True


def setup(app):
    """Let `names` in our docstrings be code: reStructuredText wants two backticks."""
    app.connect("autodoc-process-docstring", doubled_backticks)


def doubled_backticks(app, what, name, obj, options, lines):
    """Change the lines of a docstring in place."""
    lines[:] = [re.sub(r"(?<!`)`([^`]+)`(?!`)", r"``\1``", line).replace("<|", r"<\|") for line in lines]

"""Sphinx settings. Built with -W: a broken reference is an error."""

import sys
import tomllib
from pathlib import Path

PROJECT = tomllib.loads(Path(__file__).parent.parent.joinpath("host/pyproject.toml").read_text())
sys.path.insert(0, str(Path(__file__).parent / "extensions"))

project = "stockade"
author = "The stockade contributors"
project_copyright = author
release = version = PROJECT["project"]["version"]

extensions = ["myst_parser", "sphinx.ext.autodoc", "module_list"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build", "examples/*/*.toml"]
nitpicky = True
# Types in signatures that have no entry of their own, such as those of the standard library.
nitpick_ignore_regex = [("py:.*", ".*")]

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
add_module_names = False

html_theme = "furo"
html_title = "stockade"

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

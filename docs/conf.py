"""Sphinx settings. Built with -W: a broken reference is an error."""

import tomllib
from pathlib import Path

PROJECT = tomllib.loads(Path(__file__).parent.parent.joinpath("host/pyproject.toml").read_text())

project = "stockade"
author = "The stockade contributors"
project_copyright = author
release = version = PROJECT["project"]["version"]

extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
nitpicky = True

html_theme = "furo"
html_title = "stockade"

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

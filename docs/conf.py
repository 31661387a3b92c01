"""Sphinx configuration; `make docs` builds with warnings as errors."""

import os
import sys
import warnings
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "benchmarks")]
import generate_api
import generate_benchmarks
import generate_report
from study import tables

import sklearn_kmex

generate_api.write_pages(HERE / "api")
generate_benchmarks.write_tables(HERE / "tables")
generate_report.write_sample(HERE / "extra")
tables.write(HERE / "study" / "generated")
# The gallery saves its figures to files, so the Agg backend is fine.
warnings.filterwarnings("ignore", message="FigureCanvasAgg is non-interactive")

project = "sklearn-kmex"
copyright = "2026, the sklearn-kmex developers"
author = "the sklearn-kmex developers"
version = release = sklearn_kmex.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "auto_examples/**/*.ipynb"]
default_role = "literal"
nitpicky = False

autodoc_typehints = "none"
autosummary_generate = False
numpydoc_show_class_members = False
numpydoc_xref_param_type = False
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

# Links into other projects need their inventories, and so a network.
if os.environ.get("READTHEDOCS"):
    extensions.append("sphinx.ext.intersphinx")
    intersphinx_mapping = {
        "joblib": ("https://joblib.readthedocs.io/en/stable", None),
        "numpy": ("https://numpy.org/doc/stable", None),
        "scipy": ("https://docs.scipy.org/doc/scipy", None),
        "sklearn": ("https://scikit-learn.org/stable", None),
        "skorch": ("https://skorch.readthedocs.io/en/stable", None),
        "torch": ("https://pytorch.org/docs/stable", None),
    }

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"/plot_",
    "ignore_pattern": r"demo_",
    "within_subsection_order": "FileNameSortKey",
    "doc_module": ("sklearn_kmex",),
    "backreferences_dir": "api/backreferences",
    "reference_url": {"sklearn_kmex": None},
    "reset_modules": ("matplotlib",),
    "show_memory": False,
    "copyfile_regex": r".*\.rst",
}

html_theme = "pydata_sphinx_theme"
html_title = "sklearn-kmex"
html_static_path = ["_static"]
html_extra_path = ["extra"]
html_show_sourcelink = False
html_theme_options = {
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
}

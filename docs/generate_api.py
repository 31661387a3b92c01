"""Write one page for each public object, and two lists: by module and by task."""

import importlib
import inspect

from api_reference import API_REFERENCE, TASK_OF, TASKS

PAGE = """\
{name}
{underline}

.. currentmodule:: {module}

.. {directive}:: {name}
{methods}{gallery}"""

METHOD = """
   .. automethod:: {name}
"""

GALLERY = """
.. minigallery:: {module}.{name}
   :add-heading: Examples with {name}
"""


def write_pages(folder):
    """Write the reference into a folder; pages that have not changed are left."""
    folder.mkdir(exist_ok=True)
    pages = {folder / "index.rst": index_page(), folder / "by_task.rst": task_page()}
    for module, section in API_REFERENCE.items():
        for name in section["names"]:
            path = folder / f"{module}.{name}.rst"
            pages[path] = object_page(module, name, folder)
    for old in set(folder.glob("*.rst")) - set(pages):
        old.unlink()
    for path, text in pages.items():
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


def object_page(module, name, folder):
    thing = getattr(importlib.import_module(module), name)
    examples = (folder.parents[1] / "examples").glob("plot_*.py")
    shown = any(name in path.read_text() for path in examples)
    return PAGE.format(
        name=name,
        module=module,
        underline="=" * len(name),
        directive="autoclass" if inspect.isclass(thing) else "autofunction",
        methods="".join(METHOD.format(name=method) for method in own_methods(thing)),
        gallery=GALLERY.format(name=name, module=module) if shown else "",
    )


def own_methods(thing):
    """Methods that the package defines; scikit-learn documents the others."""
    if not inspect.isclass(thing):  # a function or a scorer
        return []
    members = inspect.getmembers(thing, inspect.isfunction)
    own = [name for name, f in members if f.__module__.startswith("sklearn_kmex")]
    return [name for name in own if not name.startswith("_")]


def index_page():
    lines = ["API reference", "=============", ""]
    for module, section in API_REFERENCE.items():
        title = f"{section['title']}: {module}"
        lines += [title, "-" * len(title), "", section["description"], ""]
        lines += [f".. currentmodule:: {module}", "", ".. autosummary::", ""]
        lines += [f"   {name}" for name in section["names"]]
        lines += ["", ".. toctree::", "   :hidden:", ""]
        lines += [f"   {module}.{name}" for name in section["names"]] + [""]
    return "\n".join(lines)


def task_page():
    """List all public names by task, with the first line of their docstrings."""
    lines = ["All functions by task", "=====================", ""]
    for task, description in TASKS.items():
        lines += [task, "-" * len(task), "", description, ""]
        for module, section in API_REFERENCE.items():
            names = [n for n in section["names"] if task_of(module, n) == task]
            if names:
                lines += [f"In `{module}`:", "", f".. currentmodule:: {module}", ""]
                lines += [".. autosummary::", "", *(f"   {n}" for n in names), ""]
    return "\n".join(lines)


def task_of(module, name):
    return TASK_OF.get(f"{module}.{name}") or TASK_OF[module]

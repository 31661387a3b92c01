"""What code of the user refers to, and versions of installed packages."""

import builtins
import dis
import hashlib
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Set
from contextlib import suppress
from functools import cache
from importlib import import_module
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.metadata import packages_distributions, version
from importlib.util import find_spec
from types import CodeType, FunctionType, ModuleType
from typing import Any, NamedTuple

STDLIB = os.path.dirname(os.__file__) + os.sep
GLOBAL_LOADS = ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS")
# Names by which code may look up any attribute of a module.
ANY_ATTRIBUTE = frozenset({"getattr", "vars", "__dict__", "attrgetter"})
ENVIRONMENT = frozenset({"environ", "getenv"})
# Attributes of a class that do not change what its instances compute.
INERT = {
    *("__dict__", "__weakref__", "__doc__", "__module__", "_abc_impl"),
    *("__annotations__", "__annotate__", "__annotate_func__", "__annotations_cache__"),
    *("__firstlineno__", "__static_attributes__", "__slotnames__"),
}


def is_own(module: str) -> bool:
    """Whether a module belongs to the user, and not to an installed package."""
    package = module.partition(".")[0]
    if module == "__main__" or package == "sklearn_kmex":
        return module == "__main__"
    place = _place(module) or _place(package)
    return _is_own_place(place) if place else package not in sys.stdlib_module_names


def _is_own_place(path: str) -> bool:
    installed = "site-packages" in path or "dist-packages" in path
    return not installed and not path.startswith(STDLIB)


def _place(module: str) -> str | None:
    """Path of a module; None if it was built in, or made at run time."""
    held = vars(sys.modules[module]) if module in sys.modules else {}
    return held.get("__file__") or next(iter(held.get("__path__") or ()), None)


def origin(module: str) -> Any:
    """Version of an installed package, or hash of a compiled module of the user."""
    package = module.partition(".")[0]
    if is_own(module):
        place = _place(module) or ""
        return file_digest(place) if place.endswith(tuple(EXTENSION_SUFFIXES)) else None
    if package in sys.stdlib_module_names:
        return sys.version_info[:2]
    told = getattr(sys.modules.get(package), "__version__", None)
    return str(told) if isinstance(told, str) else _distributions(package)


@cache
def _distributions(package: str) -> str:
    return " ".join(map(version, packages_distributions().get(package, ())))


def file_digest(path: str | os.PathLike) -> bytes:
    """Hash the content of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def installed_name(thing: Any) -> tuple | None:
    """Name and version of a function or class that is found in an installed package."""
    module = getattr(thing, "__module__", None)
    if module not in sys.modules or is_own(module):
        return None
    found: Any = sys.modules[module]
    for part in thing.__qualname__.split("."):
        found = getattr(found, part, None)
    return (module, thing.__qualname__, origin(module)) if found is thing else None


def code_content(code: CodeType) -> tuple:
    """Everything that running a code object depends on, but for what it refers to."""
    return (
        *(code.co_code, getattr(code, "co_exceptiontable", b""), code.co_flags),
        *(code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount),
        *(code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars),
        code.co_consts,
    )


def function_content(function: FunctionType) -> dict[str, Any]:
    """Code of a function, with all that it refers to."""
    space, cells = function.__globals__, _cells(function)
    held = {
        "function": (function.__module__, function.__qualname__),
        "code": function.__code__,
        "defaults": (function.__defaults__, function.__kwdefaults__),
        "closure": cells,
        "attributes": vars(function),
    }
    module = space.get("__name__")
    if module in sys.modules and not is_own(module):  # as of a decorator
        return {**held, "version": origin(module)}
    read = _read(function.__code__)
    reached = _reached(read.variables, {**vars(builtins), **space}, read.names)
    values = [*read.strings, *cells.values(), *reached.values()]
    values += function.__defaults__ or ()
    return {
        **held,
        "globals": reached,
        "imports": [_imported(*line, space, read.names) for line in read.imports],
        "outside": _outside(values, read.names),
    }


def _cells(function: FunctionType) -> dict[str, Any]:
    """Variables of outer functions, but for those that are not set yet."""
    names, cells = function.__code__.co_freevars, function.__closure__ or ()
    found = {}
    for name, cell in zip(names, cells, strict=True):
        with suppress(ValueError):  # empty
            found[name] = cell.cell_contents
    return found


class Reading(NamedTuple):
    """What code reads: variables, any names, imports, and strings."""

    variables: frozenset[str]
    names: frozenset[str]
    imports: tuple[tuple[str, Any, int], ...]
    strings: tuple[str, ...]


@cache
def _read(code: CodeType) -> Reading:
    """Find what code and its inner functions read."""
    lines = [
        line for line in dis.get_instructions(code) if line.opname != "EXTENDED_ARG"
    ]
    variables = [line.argval for line in lines if line.opname in GLOBAL_LOADS]
    imports = [
        (lines[i].argval, lines[i - 1].argval, lines[i - 2].argval)
        for i in range(len(lines))
        if lines[i].opname == "IMPORT_NAME"
    ]
    inner = [_read(const) for const in code.co_consts if isinstance(const, CodeType)]
    return Reading(
        frozenset(variables).union(*(one.variables for one in inner)),
        frozenset(code.co_names).union(*(one.names for one in inner)),
        (*imports, *(line for one in inner for line in one.imports)),
        (*_strings(code.co_consts), *(text for one in inner for text in one.strings)),
    )


def _strings(values: Iterable[Any]) -> Iterator[str]:
    for value in values:
        if isinstance(value, str):
            yield value
        elif isinstance(value, tuple | frozenset):
            yield from _strings(value)


def _reached(
    wanted: Set[str], space: Mapping[str, Any], names: Set[str], seen: tuple = ()
) -> dict[str, Any]:
    """Values of a namespace; of modules, what is looked up in them by these names."""
    found = {}
    for name in sorted(wanted & space.keys()):
        value = space[name]
        if not isinstance(value, ModuleType):
            found[name] = value
        elif value not in seen:
            found[name] = module_content(value, names, seen)
    return found


def module_content(
    module: ModuleType, names: Set[str] = ANY_ATTRIBUTE, seen: tuple = ()
) -> tuple:
    """Attributes of a module of the user, or the version of an installed one.

    Parameters
    ----------
    module : module
        The module.

    names : set of str, default=ANY_ATTRIBUTE
        Names that occur in the code that refers to it. A name by which any attribute
        may be looked up means all attributes.

    seen : tuple of modules, default=()
        Modules that refer to this one.

    Returns
    -------
    tuple
        Name, version and attributes.
    """
    held, wanted = vars(module), names | {"__getattr__"}
    own = is_own(module.__name__)
    if not own:  # what the user has replaced in it
        held = {k: held[k] for k in names & held.keys() if _is_followed(held[k])}
    elif names & ANY_ATTRIBUTE:
        wanted = {name for name in held if not name.startswith("__")}
    inside = _reached(wanted, held, names, (*seen, module))
    if not own:  # packages import modules of theirs when they need them
        inside = {k: v for k, v in inside.items() if not _is_empty(v)}
    return (module.__name__, origin(module.__name__), inside)


def _is_empty(content: Any) -> bool:
    return isinstance(content, tuple) and not content[-1]


def _is_followed(value: Any) -> bool:
    """Whether a value of an installed module is code of the user, or may find it."""
    if value is sys.modules or value is import_module or isinstance(value, ModuleType):
        return True
    return isinstance(value, FunctionType | type) and _is_replaced(value)


def _is_replaced(value: FunctionType | type) -> bool:
    """Whether a function or class in an installed package is one of the user."""
    if isinstance(value, FunctionType):
        home = value.__globals__.get("__name__")
    else:
        home = value.__module__
    return home in sys.modules and is_own(home)


def _imported(name: str, wanted: Any, level: int, space: dict, names: Set[str]) -> Any:
    """Return what an import inside a function gives: a module, or its version."""
    package = name.partition(".")[0]
    if not level and package not in sys.modules and not _is_found_own(package):
        return (name, _distributions(package))
    try:
        return module_content(__import__(name, space, None, wanted, level), names)
    except Exception:  # as the function will tell
        return name


def _is_found_own(package: str) -> bool:
    """Whether a package that is not imported yet is of the user."""
    found = find_spec(package)
    return found is not None and _is_own_place(found.origin or "")


def _outside(values: Iterable[Any], names: Set[str]) -> dict[str, Any]:
    """Content of files and of environment variables that code names."""
    paths = [os.fspath(v) for v in values if isinstance(v, str | os.PathLike)]
    files = {path: file_digest(path) for path in paths if os.path.isfile(path)}
    variables = os.environ if names & ENVIRONMENT else {}
    return {**files, "": {path: variables[path] for path in paths if path in variables}}


def class_content(kind: type) -> dict[str, Any]:
    """Everything that is written in a class."""
    held = {name: vars(kind)[name] for name in sorted(vars(kind).keys() - INERT)}
    return {
        "class": (kind.__module__, kind.__qualname__, origin(kind.__module__)),
        "bases": (type(kind), *kind.__bases__),
        **held,
    }


def patches(kind: type) -> dict[str, FunctionType]:
    """Functions of the user that replace methods of an installed class."""
    methods = {k: v for k, v in vars(kind).items() if isinstance(v, FunctionType)}
    return {name: found for name, found in methods.items() if _is_replaced(found)}

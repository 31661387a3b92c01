"""Optional packages, imported when they are needed."""

import importlib
from types import ModuleType

from sklearn_kmex.exceptions import MissingDependencyError


def check_dependency(name: str, *, caller: str, extra: str) -> ModuleType:
    """Import an optional package, or say how to install it.

    Parameters
    ----------
    name : str
        Module to import.

    caller : str
        What needs it, to begin the message with.

    extra : str
        Extra of sklearn-kmex that installs it.

    Returns
    -------
    module
        The imported module.

    Raises
    ------
    MissingDependencyError
        If the package cannot be imported.

    See Also
    --------
    sklearn_kmex.show_versions : The versions installed.

    Examples
    --------
    >>> from sklearn_kmex.utils import check_dependency
    >>> check_dependency("math", caller="This example", extra="all").sqrt(4)
    2.0
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise MissingDependencyError(
            f"{caller} requires {package}. Install it with "
            f"`pip install sklearn-kmex[{extra}]`."
        ) from error

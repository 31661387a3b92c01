"""Optional packages, imported on first use."""

import importlib
from types import ModuleType

from sklearn_kmex.exceptions import MissingDependencyError


def check_dependency(name: str, *, caller: str, extra: str) -> ModuleType:
    """Import an optional package, or raise an error that names the extra to install.

    Parameters
    ----------
    name : str
        Module to import.

    caller : str
        Name of the function or class that needs it, for the error message.

    extra : str
        Extra of sklearn-kmex that includes it.

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

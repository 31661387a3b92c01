"""Warnings and errors of the package."""

__all__ = ["KMExWarning", "MissingDependencyError", "ModelFileError"]


class KMExWarning(UserWarning):
    """Warning of a result that is not quite what was asked for.

    Examples are fewer prototypes than requested, or a cache that cannot be used.

    See Also
    --------
    MissingDependencyError : Error of a feature whose package is not installed.

    Examples
    --------
    >>> import warnings
    >>> from sklearn_kmex import KMExClassifier
    >>> from sklearn_kmex.exceptions import KMExWarning
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     psem = KMExClassifier(3).fit([[0.0], [1.0], [5.0], [6.0]], [0, 0, 1, 1])
    >>> issubclass(caught[0].category, KMExWarning)
    True
    """


class MissingDependencyError(ImportError):
    """Error raised if an optional package is not installed.

    See Also
    --------
    KMExWarning : Warning of a fit whose result has less than was requested.

    Examples
    --------
    >>> from sklearn_kmex.exceptions import MissingDependencyError
    >>> issubclass(MissingDependencyError, ImportError)
    True
    """


class ModelFileError(ValueError):
    """Error of a model file that is damaged, forged or written by a newer version.

    See Also
    --------
    sklearn_kmex.persistence.load_psem : Raises it; it runs no code from the file.

    Examples
    --------
    >>> from sklearn_kmex.exceptions import ModelFileError
    >>> issubclass(ModelFileError, ValueError)
    True
    """

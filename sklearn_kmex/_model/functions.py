"""Functions that users pass: whether they take the arguments of a call."""

import inspect
from typing import Any


def check_takes(function: Any, name: str, *keywords: str) -> None:
    """Check that a function can be called with (psem, X) and these keywords."""
    call = ", ".join(["psem", "X", *(f"{key}={key}" for key in keywords)])
    if not callable(function):
        remedy = ""
        if isinstance(function, str):
            remedy = (
                " For a method by its name, pass functools.partial(relevance, "
                f"method={function!r})."
            )
        raise TypeError(
            f"{name} must be a function, called as {name}({call}); got {function!r}."
            f"{remedy}"
        )
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some functions written in C have none
        return
    try:
        signature.bind(None, None, **dict.fromkeys(keywords))
    except TypeError as error:
        raise TypeError(
            f"{name} must be a function that can be called as {name}({call}); got one "
            f"that takes ({', '.join(signature.parameters)})."
        ) from error

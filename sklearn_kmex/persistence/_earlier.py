"""Files of earlier versions, whose parameters and log entries differ from today's."""

from typing import Any

from sklearn_kmex.persistence._parts import models_in

# Of each estimator, the former and the present name of parameters.
PARAMETERS = {"KMExClassifierCV": {"n_prototypes": "candidates"}}
# Of each estimator, parameters that came later, and what it did without them.
LATER = {"TreeEmbedder": {"leaves": "identity", "out_of_bag": False}}
# Former and present keys of the entries in `edit_log_`.
LOG_KEYS = {"why": "reason"}


def rename_earlier(psem: Any) -> None:
    """Give the parameters and log entries of a loaded model their present names."""
    for model in models_in(psem):
        _rename_parameters(model)
        if hasattr(model, "edit_log_"):
            model.edit_log_ = [_rename_keys(entry) for entry in model.edit_log_]


def _rename_parameters(model: Any) -> None:
    state = vars(model)
    for name, value in LATER.get(type(model).__name__, {}).items():
        state.setdefault(name, value)
    for former, present in PARAMETERS.get(type(model).__name__, {}).items():
        if former in state and present in type(model)._get_param_names():
            state[present] = state.pop(former)


def _rename_keys(entry: dict[str, Any]) -> dict[str, Any]:
    return {LOG_KEYS.get(key, key): value for key, value in entry.items()}

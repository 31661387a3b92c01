"""Files of earlier versions, in which parameters and log entries had other names."""

from typing import Any

from sklearn_kmex.persistence._parts import models_in

# Of each estimator, the former and the present name of parameters.
PARAMETERS = {"KMExClassifierCV": {"n_prototypes": "candidates"}}
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
    for former, present in PARAMETERS.get(type(model).__name__, {}).items():
        if former in state and present in type(model)._get_param_names():
            state[present] = state.pop(former)


def _rename_keys(entry: dict[str, Any]) -> dict[str, Any]:
    return {LOG_KEYS.get(key, key): value for key, value in entry.items()}

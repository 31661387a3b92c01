"""What works of a case: each step is tried, and its result is checked."""

import re
import time
import traceback
import warnings
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from sklearn.metrics import accuracy_score

import sklearn_kmex
from sklearn_kmex import make_kmex
from sklearn_kmex.exceptions import ModelFileError
from sklearn_kmex.explain import contrast, explain
from sklearn_kmex.persistence import load_psem, save_psem
from sklearn_kmex.report import SEMReport

PACKAGE = Path(sklearn_kmex.__file__).parent
WORKS, PARTLY, REFUSED, FAILED = "works", "partly", "refused", "FAILED"
REPORTED, SHOWN, CLOSE, TOLD, TIE = 60, 6, 1e-6, 0.05, 1e-12


def judge(case):
    """Try all steps of a case; return an outcome and a note for each.

    If no model can be made, there are no further steps.
    """
    outcomes, seconds = {}, {}
    psem = None
    for name, step in STEPS.items():
        if psem is None and name != "fit":
            break
        start = time.perf_counter()
        outcomes[name], found = attempt(partial(step, case, psem))
        seconds[name] = round(time.perf_counter() - start, 2)
        psem = found if name == "fit" else psem
    return {"steps": outcomes, "seconds": seconds}


def attempt(step):
    """Run a step; return its outcome, and what it returns."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = step()
        except Exception as error:
            return outcome_of(error), None
    note = found if isinstance(found, str) else ""
    if note.startswith("columns of"):  # of a step, not those of the user
        return [PARTLY, note], found
    return [WORKS, note], found


def outcome_of(error):
    """Tell a refusal, by a sentence of the package, from a raw error."""
    text, last = str(error), traceback.extract_tb(error.__traceback__)[-1]
    own = Path(last.filename).is_relative_to(PACKAGE)
    sentences = re.split(r"(?<=\.)\s", text.strip())
    if own and text.endswith(".") and (len(sentences) > 1 or "; got" in text):
        return [REFUSED, text]
    return [FAILED, f"{type(error).__name__}: {text}"[:400]]


def fit(case, _):
    return make_kmex(case.model, random_state=0).fit(case.X, case.y)


def predict(case, psem):
    labels, chances = psem.predict(case.X_test), psem.predict_proba(case.X_test)
    assert np.allclose(chances.sum(axis=1), 1), "probabilities do not add to 1"
    codes = np.searchsorted(psem.classes_, labels)
    predicted = chances[np.arange(len(codes)), codes]
    assert (predicted >= chances.max(axis=1) - TIE).all(), "two predictions"
    chance = np.bincount(np.unique(case.y_test, return_inverse=True)[1]).max()
    return f"{accuracy_score(case.y_test, labels):.2f} of {chance / len(labels):.2f}"


def explained(case, psem):
    found = explain(psem, case.X_test[:SHOWN], X_train=case.X)
    assert (found.predictions == psem.predict(case.X_test[:SHOWN])).all(), "two labels"
    assert found.to_html(), "no page"


def contrasted(case, psem):
    found = contrast(psem, case.X_test[:SHOWN], X_train=case.X)
    check_sum(found)
    names = list(found.feature_names)
    if case.columns is not None and names != case.columns:
        return f"columns of {found.space}: {', '.join(names[:3])}, ... ({len(names)})"
    words = {part for name in names for part in name.split()}
    if case.words and not {"plot", "film"} & words:
        return f"columns of {found.space}: {', '.join(names[:3])}, ... ({len(names)})"
    return str(getattr(found, "method", ""))


def check_sum(found):
    """Contributions add to the margin, up to the error that the method tells."""
    total = found.contributions.sum(axis=1) + getattr(found, "base", 0)
    size = np.abs(found.contributions).sum(axis=1) + np.abs(found.margin)
    told = np.nan_to_num(getattr(found, "error", 0))
    off = np.abs(total - found.margin) - told > CLOSE * np.maximum(1, size)
    assert not off.any(), f"contributions add to {total}, margins are {found.margin}"
    assert (told <= TOLD * size).all(), f"the errors are {told}, margins {found.margin}"


def reported(case, psem):
    X, y = case.X_test[:REPORTED], case.y_test[:REPORTED]
    settings = {} if case.black_box is None else {"black_box": case.black_box}
    report = SEMReport(psem, X, y, X_train=case.X, **settings)
    found = report.to_dict()["performance"]["black_box"]
    assert report.to_html(), "no page"
    if case.black_box is None:
        return "" if found is None else f"accuracy {accuracy_of(found):.2f}"
    true = accuracy_score(y, np.ravel(case.black_box.predict(X)))
    assert found is not None, "the black box is left out"
    said = accuracy_of(found)
    assert np.isclose(true, said), f"the black box is right for {true}, told {said}"
    return ""


def accuracy_of(black_box):
    found = black_box["accuracy"]
    return found["value"] if isinstance(found, dict) else found


def filed(case, psem):
    with TemporaryDirectory() as folder:
        path = Path(folder) / "psem.safetensors"
        save_psem(psem, path)
        module = {} if case.module is None else {"module": case.module()}
        loaded, trusted = load(path, module, case.trusted)
    wanted, found = psem.predict_proba(case.X_test), loaded.predict_proba(case.X_test)
    assert np.array_equal(wanted, found), "the loaded model predicts otherwise"
    return f"trusted={', '.join(trusted)}" if trusted else ""


def load(path, module, trusted):
    """Load a file; types that the error lists are trusted at a second try."""
    try:
        return load_psem(path, trusted=trusted, **module), trusted
    except ModelFileError as error:
        _, found, rest = str(error).partition("not trusted: ")
        if not found:
            raise
    trusted = (*trusted, *rest.partition(". ")[0].split(", "))
    return load_psem(path, trusted=trusted, **module), trusted


def graphed(case, psem):
    import onnxruntime

    from sklearn_kmex.export import to_onnx

    X = case.X_test
    graph = to_onnx(psem, X)
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    label, chances, *_ = session.run(None, inputs_of(session, X))
    wanted = psem.predict_proba(X)
    off = np.abs(chances - wanted).max()
    assert off < 1e-3, f"probabilities of the graph differ by {off}"
    sure = np.sort(wanted, axis=1)[:, -2:]
    sure = sure[:, 1] - sure[:, 0] > 1e-3
    assert (label == psem.predict(X))[sure].all(), "the graph predicts otherwise"
    return f"to {off:.0e}"


def inputs_of(session, X):
    """Values for the inputs of a graph, by name."""
    names = [part.name for part in session.get_inputs()]
    if not hasattr(X, "columns"):
        return {names[0]: X.astype(object) if X.dtype.kind == "U" else X}
    values = {name: X[name].to_numpy().reshape(-1, 1) for name in names}
    return {
        n: v.astype(object) if v.dtype.kind in "OUT" else v for n, v in values.items()
    }


STEPS = {
    "fit": fit,
    "predict": predict,
    "explain": explained,
    "contrast": contrasted,
    "report": reported,
    "file": filed,
    "ONNX": graphed,
}

"""A report of a model that is fitted again before the report is read."""

from sklearn.datasets import load_iris

from sklearn_kmex import KMExClassifier
from sklearn_kmex.report import SEMReport


def test_a_report_is_of_the_model_that_it_was_made_for():
    X, y = load_iris(return_X_y=True)
    psem = KMExClassifier(2, random_state=0).fit(X, y)
    report, expected = SEMReport(psem, X, y), SEMReport(psem, X, y).to_dict()
    psem.set_params(n_prototypes=1).fit(X, y)
    found = report.to_dict()
    assert len(found["prototypes"]) == len(expected["prototypes"]) == 6

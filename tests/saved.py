"""Models of every kind that can be saved, and their predictions elsewhere."""

import subprocess
import sys

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_kmex import (
    KMExClassifier,
    KMExClassifierCV,
    RejectingClassifier,
    make_kmex,
)

KMEX = "sklearn_kmex._classifier.KMExClassifier"
CV = "sklearn_kmex._classifier_cv.KMExClassifierCV"
REJECTING = "sklearn_kmex._rejecting.RejectingClassifier"
HEAD = "sklearn_kmex.embedding._head.EmbeddingHead"
MLP = "sklearn_kmex.embedding._mlp.MLPEmbedder"
TREE = "sklearn_kmex.embedding._tree.TreeEmbedder"
STEPS = "sklearn_kmex.embedding._pipeline.EmbeddingPipeline"
NODES = "sklearn.tree._tree.Tree"
ADAM = "sklearn.neural_network._stochastic_optimizers.AdamOptimizer"


def make_models(X, y):
    """Return unfitted models, and their types that skops does not trust by default."""
    mlp = MLPClassifier((16,), max_iter=2000, tol=1e-2, random_state=0)
    forest = RandomForestClassifier(10, max_depth=6, random_state=0)
    behind = make_pipeline(StandardScaler(), mlp).fit(X, y)
    kmex = KMExClassifier(3, random_state=np.random.RandomState(0))
    scaled = KMExClassifierCV(3, aggregation="sum", priors="class")
    careful = RejectingClassifier(
        make_pipeline(StandardScaler(), KMExClassifier(2, random_state=0)),
        cv=3,
        quantile=0.3,
        reject_label="unknown" if y.dtype.kind == "U" else -1,
    )
    return {
        "kmex": (kmex, [KMEX]),
        "scaled": (make_pipeline(StandardScaler(), scaled), [CV]),
        "mlp": (make_kmex(mlp.fit(X, y)), [ADAM, KMEX, HEAD, MLP]),
        "behind": (make_kmex(behind), [ADAM, KMEX, HEAD, MLP, STEPS]),
        "forest": (
            make_kmex(forest.fit(X, y), n_prototypes=2),
            [NODES, KMEX, HEAD, TREE],
        ),
        "careful": (careful, [KMEX, REJECTING]),
    }


NAMES = ["kmex", "scaled", "mlp", "behind", "forest", "careful"]
# A process without torch: importing it raises an error.
PREDICT = """
import sys


class NoTorch:
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError(name)


sys.meta_path.insert(0, NoTorch)
import numpy as np
import skops.io
from sklearn_kmex.persistence import TRUSTED_TYPES, load_psem
rows, *paths = sys.argv[1:]
trusted = ["sklearn.tree._tree.Tree"]
for path in paths:
    if path.endswith(".skops"):
        psem = skops.io.load(path, trusted=[*TRUSTED_TYPES, *trusted])
    else:
        psem = load_psem(path, trusted=trusted)
    X = np.load(rows)
    np.savez(f"{path}.npz", labels=psem.predict(X), chances=psem.predict_proba(X))
"""


def predict_elsewhere(paths, X):
    """Load models in a process without torch; yield labels and probabilities."""
    rows = paths[0].with_suffix(".npy")
    np.save(rows, X)
    command = [sys.executable, "-W", "error", "-c", PREDICT, rows, *paths]
    subprocess.run(command, check=True)
    for path in paths:
        with np.load(f"{path}.npz") as answers:
            yield answers["labels"], answers["chances"]

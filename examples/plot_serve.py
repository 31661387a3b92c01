"""
Decisions with their reasons, from a service
============================================

A fitted model becomes one ONNX file. The service that runs it needs onnxruntime and
numpy alone, no scikit-learn, no torch and no pickle, and it answers with more than a
label: with the training image that the decision rests on.
"""

# %%
# Where the model is made: a scaler, a network of scikit-learn, and prototypes of the
# embeddings of each digit, in one pipeline. Beside the graph, the training images go
# into a file of their own.
import json
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import numpy as np
import onnxruntime
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_kmex import make_kmex
from sklearn_kmex.export import to_onnx

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
mlp = MLPClassifier((64, 32), max_iter=500, random_state=0)
model = make_pipeline(StandardScaler(), mlp).fit(X_train, y_train)
psem = make_kmex(model, n_prototypes=5, random_state=0).fit(X_train, y_train)

folder = TemporaryDirectory()
graph_path = Path(folder.name, "digits.onnx")
rows_path = Path(folder.name, "training_rows.npy")
graph_path.write_bytes(to_onnx(psem, X_train).SerializeToString())
np.save(rows_path, X_train)
print(f"{graph_path.stat().st_size / 1000:.0f} kB of graph")

# %%
# Where it is served. The metadata of the graph name the training row nearest to each
# prototype; the file of training rows is mapped, not read.
session = onnxruntime.InferenceSession(graph_path)
told = session.get_modelmeta().custom_metadata_map
prototype_indices = json.loads(told["prototype_indices"])
training_rows = np.load(rows_path, mmap_mode="r")


def answer(rows):
    labels, chances, prototypes, similarities = session.run(None, {"X": rows})
    looks_like = [prototype_indices[j] for j in prototypes[:, 0]]
    return labels, chances.max(axis=1), looks_like, similarities[:, 0]


shown = [*range(6), *np.flatnonzero(psem.predict(X_test) != y_test)[:2]]
labels, chances, looks_like, similarities = answer(X_test[shown])
for label, chance, row, similarity in zip(
    labels, chances, looks_like, similarities, strict=True
):
    print(f"{label} ({chance:.2f}): like training row {row}, {similarity:.2f}")

# %%
# The service says what the pipeline says, of every test image.
labels_of_all, chances_of_all, *_ = session.run(None, {"X": X_test})
print("same labels:", bool((labels_of_all == psem.predict(X_test)).all()))
print(
    f"probabilities: {abs(chances_of_all - psem.predict_proba(X_test)).max():.0e} apart"
)

# %%
# Above, what was asked; below, the training image that the answer rests on. The last
# two answers are wrong, and here is what they were mistaken for.
fig, axes = plt.subplots(2, len(shown), figsize=(9, 3), layout="constrained")
for place, (above, below) in enumerate(axes.T):
    right = labels[place] == y_test[shown[place]]
    above.imshow(X_test[shown[place]].reshape(8, 8), cmap="gray_r")
    above.set_title(f"is a {y_test[shown[place]]}", fontsize=10)
    below.imshow(training_rows[looks_like[place]].reshape(8, 8), cmap="gray_r")
    color = "black" if right else "tab:red"
    below.set_title(f"like this {labels[place]}", fontsize=10, color=color)
for ax in axes.flat:
    ax.set(xticks=[], yticks=[])
plt.show()

"""
Serving decisions and their evidence
====================================

A fitted model is exported to one ONNX file. The service that runs it needs only
onnxruntime and numpy: no scikit-learn, no torch and no pickle. With each label it
returns the training image that the decision is based on.
"""

# %%
# Training. The pipeline consists of a scaler, a network of scikit-learn, and prototypes
# of the embeddings of each digit. The training images are stored in a second file.
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
print(f"size of the graph: {graph_path.stat().st_size / 1000:.0f} kB")

# %%
# Serving. The metadata of the graph hold the nearest training row of each prototype.
# The file of training rows is memory-mapped.
session = onnxruntime.InferenceSession(graph_path)
metadata = session.get_modelmeta().custom_metadata_map
prototype_indices = json.loads(metadata["prototype_indices"])
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
# The service agrees with the pipeline on all test images.
labels_of_all, chances_of_all, *_ = session.run(None, {"X": X_test})
print("same labels:", bool((labels_of_all == psem.predict(X_test)).all()))
print(
    f"probabilities: {abs(chances_of_all - psem.predict_proba(X_test)).max():.0e} apart"
)

# %%
# Plot the images (top) and the training images that decided (bottom). The last two
# predictions are wrong, and the plot shows why.
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

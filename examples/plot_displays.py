"""
Displays
========

Plot the prototypes, how often they decide, where they are in the embedding, how many
are needed, and what decisions look like. Each plot takes one call. The data are
handwritten digits and a table of wines.
"""

# %%
# Prototypes: one row for each digit, with the training image nearest to each prototype.
import matplotlib.pyplot as plt
from sklearn.datasets import load_digits, load_wine
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_kmex import KMExClassifier, KMExClassifierCV
from sklearn_kmex.inspection import (
    EmbeddingDisplay,
    ExplanationDisplay,
    PrototypeCountDisplay,
    PrototypeDisplay,
    SearchDisplay,
    UsageDisplay,
)

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
psem = KMExClassifier(n_prototypes=6, random_state=0).fit(X_train, y_train)
PrototypeDisplay.from_estimator(psem, X_train, image_shape=(8, 8))
plt.show()

# %%
# Usage: how often each prototype decides on test images, and how often correctly. A
# ghost never decides.
display = UsageDisplay.from_estimator(psem, X_test, y_test)
plt.show()
print(
    display.frame().sort_values("share_correct").head().round(2).to_string(index=False)
)

# %%
# Embedding and number of prototypes: where the prototypes are among the images, and how
# many each digit needs. The band is one standard error of the difference from the best
# setting that was compared.
search = KMExClassifierCV([1, 2, 4, 6, 8, 12], random_state=0).fit(X_train, y_train)
fig, (left, right) = plt.subplots(
    1, 2, figsize=(11, 4.4), width_ratios=(3, 2), layout="constrained"
)
EmbeddingDisplay.from_estimator(psem, X_test, y_test, ax=left)
PrototypeCountDisplay.from_estimator(search, ax=right)
plt.show()

# %%
# What else was compared: metrics, similarities and weights, each at its best number of
# prototypes.
SearchDisplay.from_estimator(search)
plt.show()

# %%
# Explanations: misclassified images, beside the training images that they resemble.
wrong = X_test[psem.predict(X_test) != y_test]
ExplanationDisplay.from_estimator(psem, wrong[:3], X_train=X_train, image_shape=(8, 8))
plt.show()

# %%
# Prototypes of a table: the wines nearest to the prototypes, by column. Bright values
# are high within the class, dark ones low.
wine = load_wine(as_frame=True)
model = make_pipeline(StandardScaler(), KMExClassifier(3, random_state=0))
model.fit(wine.data, wine.target)
PrototypeDisplay.from_estimator(
    model, wine.data, wine.target, class_names=wine.target_names
)
plt.show()

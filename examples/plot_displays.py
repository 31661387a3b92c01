"""
Pictures of a model
===================

What are the prototypes, where do they lie among the data, which of them decide, how
many are needed, and what does a decision look like? A line of code for each, on
handwritten digits and on a table of wines.
"""

# %%
# Prototypes: a line for each digit, the training image nearest to each prototype.
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
    UsageDisplay,
)

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
psem = KMExClassifier(n_prototypes=6, random_state=0).fit(X_train, y_train)
PrototypeDisplay.from_estimator(psem, X_train, image_shape=(8, 8))
plt.show()

# %%
# Which of them decide on test images, and how often correctly. A ghost never decides.
display = UsageDisplay.from_estimator(psem, X_test, y_test)
plt.show()
print(
    display.frame().sort_values("share_correct").head().round(2).to_string(index=False)
)

# %%
# Where they lie among the images, and how many each digit needs. The band is one
# standard error of the mean over the folds.
search = KMExClassifierCV(12, random_state=0).fit(X_train, y_train)
fig, (left, right) = plt.subplots(
    1, 2, figsize=(11, 4.4), width_ratios=(3, 2), layout="constrained"
)
EmbeddingDisplay.from_estimator(psem, X_test, y_test, ax=left)
PrototypeCountDisplay.from_estimator(search, ax=right)
plt.show()

# %%
# Images that are taken for another digit, beside the training images they look like.
wrong = X_test[psem.predict(X_test) != y_test]
ExplanationDisplay.from_estimator(psem, wrong[:3], X_train=X_train, image_shape=(8, 8))
plt.show()

# %%
# Of a table, the wines behind the prototypes in the columns of the table. Bright values
# are high among the wines of the class, dark ones low.
wine = load_wine(as_frame=True)
model = make_pipeline(StandardScaler(), KMExClassifier(3, random_state=0))
model.fit(wine.data, wine.target)
PrototypeDisplay.from_estimator(
    model, wine.data, wine.target, class_names=wine.target_names
)
plt.show()

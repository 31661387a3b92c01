"""
Explaining decisions about images
=================================

`explain` returns what a model predicted and which prototypes a sample resembles, as
arrays, as a table, as JSON and as a plot. There is no network: the pixels are the
embedding.
"""

# %%
# Fit a model of handwritten digits, and explain all test images at once.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from sklearn_kmex import KMExClassifier
from sklearn_kmex.explain import Explanation, counterfactuals, explain

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
psem = KMExClassifier(n_prototypes=5, random_state=0).fit(X_train, y_train)
explanation = explain(psem, X_test, X_train=X_train)

# %%
# Plot the most certain decision, the least certain one, and a wrong one. On the left is
# the image, followed by the training images behind its nearest prototypes, most similar
# first.
wrong = np.flatnonzero(explanation.predictions != y_test)
ranking = np.argsort(explanation.margin)
chosen = [ranking[-1], ranking[0], wrong[0]]
explanation[chosen].plot(image_shape=(8, 8))
plt.show()

# %%
# The same explanations as a table.
print(explanation[chosen].frame().round(4).to_string(index=False))

# %%
# JSON preserves the explanation exactly.
document = explanation[chosen].to_json()
print(document[:72], "...")
again = Explanation.from_json(document)
print(np.array_equal(again.similarities, explanation[chosen].similarities))

# %%
# Counterfactuals: the nearest training image of the runner-up class, and the fewest
# prototypes to remove to change the decision.
otherwise = counterfactuals(psem, X_test, X_train=X_train, y_train=y_train)
print(otherwise[chosen].frame().round(2).to_string(index=False))

# %%
# Errors are concentrated at small margins. The plot shows the accuracy from the least
# certain tenth to the most certain tenth.
right = (explanation.predictions == y_test)[ranking]
shares = [part.mean() for part in np.array_split(right, 10)]
fig, ax = plt.subplots(figsize=(6, 3), layout="constrained")
ax.bar(range(1, 11), shares, color="#3f90da")
ax.set(xlabel="tenth of the test images, by margin", ylabel="accuracy")
ax.set_xticks(range(1, 11))
plt.show()

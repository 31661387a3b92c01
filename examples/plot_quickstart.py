"""
This looks like that
====================

Five prototypes of each handwritten digit, the training images behind them, and why a
test image was taken for what it is. No network is involved: the pixels are the
embedding.
"""

# %%
# Fit on the images as rows of 64 pixels. Each prototype is shown by the training image
# nearest to it.
import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from sklearn_kmex import KMExClassifier

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
psem = KMExClassifier(n_prototypes=5, random_state=0).fit(X_train, y_train)


def show(ax, row, title=""):
    ax.imshow(row.reshape(8, 8), cmap="gray_r")
    ax.set_title(title, fontsize=9)
    ax.set(xticks=[], yticks=[])


fig, axes = plt.subplots(5, 10, figsize=(9, 5), layout="constrained")
for k, row in enumerate(psem.prototype_indices_):
    digit, j = divmod(k, 5)
    show(axes[j, digit], X_train[row], f"{digit}" if j == 0 else "")
fig.suptitle("Training images nearest to the prototypes")
plt.show()

# %%
# How often it is right on images it has not seen, and which it gets wrong.
wrong = psem.predict(X_test) != y_test
print(f"{1 - wrong.mean():.1%} of {len(y_test)} test images are classified rightly")

# %%
# Wrong decisions have a reason too. Left, the image; right, the three training images
# that it was found to look like, with their similarities.
X_wrong, y_wrong = X_test[wrong][:3], y_test[wrong][:3]
similarity, prototype = psem.nearest_prototypes(X_wrong, n=3)
probability = psem.predict_proba(X_wrong).max(axis=1)

fig, axes = plt.subplots(3, 4, figsize=(8, 6.4), layout="constrained")
for i, row in enumerate(axes):
    show(row[0], X_wrong[i], f"a true {y_wrong[i]}, p = {probability[i]:.2f}")
    for ax, s, k in zip(row[1:], similarity[i], prototype[i], strict=True):
        label = psem.prototype_classes_[k]
        show(ax, X_train[psem.prototype_indices_[k]], f"this {label}: {s:.4f}")
fig.suptitle("Taken for what it looks like most")
plt.show()

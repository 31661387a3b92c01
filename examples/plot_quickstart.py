"""
Quick start: prototypes of handwritten digits
=============================================

Fit five prototypes for each handwritten digit, plot the training images behind them,
and show why test images were misclassified. There is no network: the pixels are the
embedding.
"""

# %%
# Fit on the images as rows of 64 pixels. Each prototype is shown by the training image
# nearest to it.
import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from sklearn_kmex import KMExClassifier
from sklearn_kmex.inspection import ExplanationDisplay, PrototypeDisplay

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
psem = KMExClassifier(n_prototypes=5, random_state=0).fit(X_train, y_train)

PrototypeDisplay.from_estimator(psem, X_train, image_shape=(8, 8))
plt.show()

# %%
# Evaluate the model on test images.
wrong = psem.predict(X_test) != y_test
print(f"{1 - wrong.mean():.1%} of {len(y_test)} test images are correctly classified")

# %%
# Explain three errors. On the left is the image; on the right are the training images
# that it resembles, with their similarities. The first one decides.
print("true labels:", y_test[wrong][:3])
ExplanationDisplay.from_estimator(
    psem, X_test[wrong][:3], X_train=X_train, image_shape=(8, 8)
)
plt.show()

"""
A report for reviewers
======================

One call writes a page with all that a reviewer needs to know about a model: its
accuracy beside that of the black box, its prototypes, its decisions with their
explanations, and its weaknesses. The model of this example classifies handwritten
digits.
"""

# sphinx_gallery_thumbnail_path = "_static/report.png"

# %%
# Train the black box, and convert it.
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

from sklearn_kmex import make_kmex
from sklearn_kmex.report import SEMReport

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, test_size=0.3, stratify=y, random_state=0
)
network = MLPClassifier((64,), max_iter=300, random_state=0).fit(X_train, y_train)
psem = make_kmex(network, n_prototypes=5, random_state=0).fit(X_train, y_train)

# %%
# Make the report. Flat rows hold images of 8 x 8 pixels. With the training data,
# prototypes are shown by training images. `report.write_html("report.html")` writes the
# page to a file.
report = SEMReport(
    psem,
    X_test,
    y_test,
    image_shape=(8, 8),
    X_train=X_train,
    y_train=y_train,
    title="Handwritten digits: how the model decides",
)
report

# %%
# The content is also available as plain data, and as a model card of skops that people
# complete. `card.save("README.md")` writes it.
card = report.to_card("digits.skops")
card.add(**{"Model Card Authors": "The postal service"})
print(card.select("How to Get Started with the Model").content)
for sentence in report.to_dict()["summary"]:
    print(sentence)

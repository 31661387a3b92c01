"""Sheets of small images, side by side in one file."""

import numpy as np
from matplotlib.image import imsave

COLUMNS, GAP = 5, 2


def save(path, images, labels):
    """Save images (n, c, h, w) in [0, 1] as PNG, one row of five for each label."""
    rows = [images[labels == label][:COLUMNS] for label in np.unique(labels)]
    channels, height, width = images.shape[1:]
    sheet = np.ones(
        (len(rows) * (height + GAP), COLUMNS * (width + GAP), channels), np.float32
    )
    for i, row in enumerate(rows):
        for j, image in enumerate(row):
            top, left = i * (height + GAP), j * (width + GAP)
            sheet[top : top + height, left : left + width] = np.moveaxis(image, 0, -1)
    path.parent.mkdir(parents=True, exist_ok=True)
    imsave(path, np.broadcast_to(sheet, (*sheet.shape[:2], 3)).copy())

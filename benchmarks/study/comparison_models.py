"""The models that KMEx is compared with, and their training in the study."""

from study.flint import FLINT
from study.protopnet import ProtoPNet
from study.protovae import ProtoVAE

MODELS = {"ProtoPNet": ProtoPNet, "ProtoVAE": ProtoVAE, "FLINT": FLINT}
EPOCHS = {(1, 28, 28): 10}  # of sets of tens of thousands of images
MORE_EPOCHS = 40  # of smaller sets


def make(name, image_shape, seed=0, quick=False):
    """Make an untrained comparison model.

    Parameters
    ----------
    name : {"ProtoPNet", "ProtoVAE", "FLINT"}
    image_shape : tuple (channels, height, width)
    seed : int
    quick : bool
        Smaller batches, for subsampled data sets, and a third of the epochs.

    Returns
    -------
    study._sem.PrototypicalNet
        With 5 prototypes for each class.
    """
    if name not in MODELS:
        raise ValueError(f"name must be one of {', '.join(MODELS)}; got {name!r}.")
    epochs, batch_size = EPOCHS.get(tuple(image_shape), MORE_EPOCHS), 64
    if quick:
        epochs, batch_size = max(epochs // 3, 8), 32
    return MODELS[name](random_state=seed, max_epochs=epochs, batch_size=batch_size)

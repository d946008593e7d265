"""Which rows `fit` draws: watched on a real Keras model."""

import warnings
from typing import NamedTuple

import keras


class Drawn(NamedTuple):
    """What `fit` drew: `epochs`, a list of row numbers for each, and the `warnings` it gave."""

    epochs: list
    warnings: list


def watch_fit(*data, **options):
    """Fit a small model and write down which rows each epoch draws.

    The target of each row is its own number, and the loss notes the targets it is given.
    Rows of validation data are noted too, in the epoch that looks at them.

    Parameters
    ----------
    *data
        What `fit` takes: `x, y` as arrays or tensors, or one dataset or generator of
        batches. x has the shape (rows, 1), and so has y, the row numbers.
    **options
        For `fit`. Rows are not shuffled unless `shuffle=True` is among them.

    Returns
    -------
    Drawn

    Examples
    --------
    >>> import numpy as np
    >>> numbers = np.arange(5.0)[:, None]
    >>> watch_fit(numbers, numbers, batch_size=2, epochs=2).epochs
    [[0, 1, 2, 3, 4], [0, 1, 2, 3, 4]]
    """
    epochs = []

    def note(numbers, outputs):
        epochs[-1].extend(numbers.numpy().astype(int).ravel().tolist())
        return keras.losses.mean_squared_error(numbers, outputs)

    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.0), note, run_eagerly=True)  # the loss sees numbers
    begin = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: epochs.append([]))
    callbacks = [begin, *options.pop("callbacks", ())]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        model.fit(*data, callbacks=callbacks, **{"shuffle": False, "verbose": 0} | options)
    said = [str(warning.message) for warning in caught if warning.category is UserWarning]
    return Drawn(epochs, said)

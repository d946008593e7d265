"""How sequences are cut into windows, and how much of a batch is padding."""

from helpers import plots
from helpers.explorers.base import Explorer, labelled_slider, longest_of, plural
from helpers.validation import check_lengths, check_sequences, check_whole_number
from helpers.windows import bucket_by_length, split_windows


def explore_windows(sequences, *, steps=5):
    """Move `steps` and see how a batch is cut into windows, and what the last one holds.

    Parameters
    ----------
    sequences : list of (timesteps_i, features) arrays, or one (batch, timesteps, features) array
    steps : int
        Where the slider starts.

    Returns
    -------
    Explorer
    """
    sequences = check_sequences(sequences)
    longest = longest_of(sequences)
    (ax,) = plots.new_axes(height=1.6 + 0.3 * min(len(sequences), 12))

    def draw(steps):
        mask = split_windows(sequences, steps).mask
        plots.plot_windows(mask, ax=ax)
        last = int(mask[-1].any(axis=0).sum())
        padded = 1 - mask.mean()
        return (
            f"steps = {steps}: {len(mask)} {plural('window', len(mask))} for up to {longest} "
            f"timesteps. The last window holds {last} real {plural('timestep', last)} and "
            f"{steps - last} of padding. In all, {padded:.0%} of the batch is padding."
        )

    return Explorer(ax.figure, {"steps": labelled_slider("steps", steps, 1, longest)}, draw)


def explore_padding(lengths, *, n_buckets=1, most=12):
    """Move the number of buckets and see how much of a data set is padding.

    Parameters
    ----------
    lengths : sequence of int
        Timesteps of each sequence.
    n_buckets : int
        Where the slider starts.
    most : int
        The largest number of buckets to offer.

    Returns
    -------
    Explorer
    """
    lengths = check_lengths(lengths)
    most = min(check_whole_number("most", most), len(lengths))
    (ax,) = plots.new_axes(height=3.6)

    def draw(n_buckets):
        buckets = bucket_by_length(lengths, n_buckets)
        plots.plot_padding(lengths, buckets, ax=ax)
        cells = sum(len(bucket) * lengths[bucket].max() for bucket in buckets)
        return (
            f"{n_buckets} {plural('bucket', n_buckets)}: {lengths.sum()} real timesteps in "
            f"{cells} computed ones, so {1 - lengths.sum() / cells:.0%} of the work is padding."
        )

    slider = labelled_slider("buckets", n_buckets, 1, most)
    return Explorer(ax.figure, {"n_buckets": slider}, draw)

"""What a public function checks before it computes.

Each check returns its argument in the form the caller works with, or raises a `ValueError` or
`TypeError` that names the parameter, the rule, what was received, and the way out.
"""

import operator

import numpy as np

SEQUENCE = "timesteps", "features"
WINDOWS = "n_windows", "batch", "steps"
ONE_FEATURE = "For one feature, add an axis: `x[:, None]`."
_MOST = 100_000_000  # of anything: more is a slip, and would fill the memory
_ONE_SEQUENCE = (
    "For one sequence, pass `[sequence]`; for sequences of unequal length, a list of them; for one "
    "feature, add an axis: `x[..., None]`."
)


def whole_number(name, value, *, minimum=1, maximum=None, maximum_is=""):
    """Return `value` as an `int` between `minimum` and `maximum`."""
    try:  # NumPy 2.1 takes its truth values for numbers, with a warning
        number = None if isinstance(value, (bool, np.bool_)) else operator.index(value)
    except TypeError:
        number = None
    if number is None:
        raise TypeError(f"`{name}` must be a whole number. Received: {name}={value!r}.")
    most = _MOST if maximum is None else maximum
    if not minimum <= number <= most:
        limit = f"between {minimum} and {maximum_is or most}"
        if maximum is None and number < minimum:
            limit = f"at least {minimum}"
        raise ValueError(f"`{name}` must be {limit}. Received: {name}={number}.")
    return number


def number(name, value, *, dtype="float64"):
    """Return `value` as an array without axes: one number, finite in `dtype`."""
    number = as_array(name, value)
    if number.ndim or number.dtype.kind not in "iuf" or not abs(number) <= np.finfo(dtype).max:
        raise ValueError(f"`{name}` must be one finite number. Received: {name}={value!r}.")
    return number


def flag(name, value):
    """Return `value` as a `bool` if it is one."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"`{name}` must be True or False. Received: {name}={value!r}.")
    return bool(value)


def listed(name, values, of):
    """Return `values` as a list with at least one entry; `of` says what it lists."""
    try:
        found = list(None if isinstance(values, (str, bytes, dict)) else values)
    except Exception:  # it is no list, or one without entries yet, as Keras' symbolic tensors
        raise TypeError(f"`{name}` must be a list of {of}. Received: {name}={values!r}.") from None
    if not found:
        raise ValueError(f"`{name}` must hold at least one of {of}. Received: an empty list.")
    return found


def steps(steps, longest):
    """Return `steps` as an `int` between 1 and the longest sequence."""
    return whole_number(
        "steps", steps, maximum=longest, maximum_is=f"the longest sequence ({longest} timesteps)"
    )


def choice(name, value, choices):
    """Return `value` if it is one of `choices`."""
    if not any(isinstance(value, type(choice)) and value == choice for choice in choices):
        listed = ", ".join(repr(choice) for choice in choices)
        raise ValueError(f"`{name}` must be one of {listed}. Received: {name}={value!r}.")
    return value


def lengths(lengths, longest=None):
    """Return `lengths` as an array of whole numbers from 1 to `longest`, one a row."""
    lengths = array(lengths, "lengths", ("batch",))
    if lengths.dtype.kind not in "iu":
        raise TypeError(f"`lengths` must be whole numbers. Received: dtype {lengths.dtype}.")
    limit = longest and f"{longest} timesteps"
    for extreme in (lengths.min(), lengths.max()):
        whole_number("lengths", extreme, maximum=longest, maximum_is=limit)
    return lengths


def sequences(sequences, name="sequences", *, hint=ONE_FEATURE, finite=True):
    """Return a (batch, timesteps, features) array, or a list of (timesteps, features) ones.

    In a list, all have the same number of features; `hint` and `finite` are as for `array`.
    """
    if not isinstance(sequences, (list, tuple)):
        return array(sequences, name, ("batch", *SEQUENCE), hint=_ONE_SEQUENCE)
    if not sequences:
        raise ValueError(f"`{name}` must hold at least one sequence. Received: an empty batch.")
    arrays = [
        array(sequence, f"{name}[{i}]", SEQUENCE, hint=hint, finite=finite)
        for i, sequence in enumerate(sequences)
    ]
    for i, other in enumerate(arrays):
        if other.shape[1] != arrays[0].shape[1]:
            raise ValueError(
                f"`{name}` must all have the same number of features. Received: "
                f"{arrays[0].shape[1]} features in sequence 0, {other.shape[1]} in sequence {i}."
            )
    return arrays


def array(values, name, axes, *, hint="", finite=True):
    """Return `values` as a numeric array with the named axes, none of them empty.

    `hint` is the way out, for the message about the number of axes. With `finite`, the values are
    read, and NaN and infinity refused.
    """
    values = numbers(name, values, hint=hint)
    if values.ndim != len(axes) or 0 in values.shape:
        way_out = "" if values.ndim == len(axes) else hint
        raise ValueError(
            f"`{name}` must have {len(axes)} ax{'i' if len(axes) == 1 else 'e'}s: "
            f"({', '.join(axes)}), none of them empty. "
            f"Received: an array of shape {values.shape}. {way_out}".rstrip()
        )
    if finite and not _all_finite(values):
        where = np.argwhere(~np.isfinite(values))[0]
        place = ", ".join(f"{axis} {i}" for axis, i in zip(axes, where, strict=True))
        raise ValueError(
            f"`{name}` must hold finite numbers. Received: {values[tuple(where)]} at {place}. "
            "Fill the gap or leave the timestep out; a mask does not hide NaN from the gradient."
        )
    return values


def mask(mask, shape, axes=WINDOWS, *, name="mask"):
    """Return `mask` as a boolean array of `shape`; all `True` if it is None."""
    if mask is None:
        return np.ones(shape, dtype=bool)
    mask = as_array(name, mask)
    if mask.dtype != bool:
        true = {"mask": "a real timestep", "counts": "a timestep that counts"}[name]
        raise TypeError(
            f"`{name}` must be boolean, True = {true}. Received: dtype {mask.dtype}. "
            f"Convert with `{name}.astype(bool)`."
        )
    if mask.shape != shape:
        raise ValueError(
            f"`{name}` must have the shape ({', '.join(axes)}) = {shape} of the inputs. "
            f"Received: shape {mask.shape}."
        )
    return mask


def as_array(name, values, *, hint=""):
    """Return `values` as an array, whatever it holds, if its rows are of equal length."""
    if np.ma.is_masked(values):
        raise ValueError(f"`{name}` must hide nothing. Received: a masked array. Use `.filled(…)`.")
    try:
        return np.asarray(values)
    except Exception as problem:  # an object may fail in any way to become an array
        unequal = isinstance(problem, ValueError)
        received = "rows of unequal length" if unequal else f"{type(values).__name__}: {problem}"
        rule = f"`{name}` must be a rectangular array. Received: {received}."
        raise ValueError(f"{rule} {hint}".rstrip()) from None


def numbers(name, values, *, hint=""):
    """Return `values` as an array of real numbers."""
    kind = type(values).__name__
    values = as_array(name, values, hint=hint)
    if values.dtype.kind not in "iuf":
        way_out = hint if values.dtype == object else "Convert with `.astype('float32')`."
        if values.dtype == object and not values.ndim:  # a dataset, say
            way_out = f"A {kind} is no array: put its numbers into one first. {hint}"
        raise TypeError(
            f"`{name}` must hold real numbers. Received: dtype {values.dtype}. {way_out}".rstrip()
        )
    return values


def fits(name, values, dtype, mask=...):
    """Raise if finite numbers, where `mask` is True, overflow the model's dtype."""
    with np.errstate(over="ignore"):
        values = values.astype(dtype, copy=False)
    if not _all_finite(values) and not _all_finite(values[mask]):
        raise ValueError(
            f"`{name}` must fit the model's dtype ({dtype}). Received: numbers that overflow it. "
            "Scale them down."
        )


def _all_finite(values):
    """Return whether an array holds neither NaN nor infinity."""
    # A sum is finite unless a value is not, or the sum overflows: it spares a boolean copy.
    with np.errstate(over="ignore", invalid="ignore"):
        return values.dtype.kind != "f" or np.isfinite(values.sum()) or np.isfinite(values).all()

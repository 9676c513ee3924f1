"""Softened predictions and their properties, in NumPy float64: the reference for the page's computations.

The last axis of logits is the classes; axes before it are examples and broadcast. A temperature T is a number above 0.
Everything stays in the log domain, so that logits of ±10,000 at T = 0.5 give neither a warning nor a NaN.
Equations are those of Hinton, Vinyals, Dean 2015, "Distilling the knowledge in a neural network".
"""

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "agreement",
    "angle",
    "class_similarity",
    "dendrogram",
    "divergence",
    "entropy",
    "hard_gradient",
    "log_soften",
    "matching_gradient",
    "overlap",
    "power_mean",
    "relative_error",
    "similar_pairs",
    "soft_confusion",
    "soft_gradient",
    "soften",
]

Array = NDArray[np.float64]
LN2 = math.log(2)  # nats in a bit


def log_soften(logits: ArrayLike, temperature: float = 1.0) -> Array:
    """Return the logarithm (nats) of the softened prediction, log softmax(logits / T), (…, classes)."""
    values = np.asarray(logits, dtype=np.float64)
    values = (values - values.max(-1, keepdims=True)) / temperature
    log_p: Array = values - np.log(np.exp(values).sum(-1, keepdims=True))
    return log_p


def soften(logits: ArrayLike, temperature: float = 1.0) -> Array:
    """Return the softened prediction softmax(logits / T): probabilities (…, classes) (Hinton et al. 2015, eq. 1)."""
    return np.exp(log_soften(logits, temperature))


def entropy(logits: ArrayLike, temperature: float) -> Array:
    """Return the entropy of the softened prediction, (…), in bits: from 0 to log2(classes)."""
    log_p = log_soften(logits, temperature)
    nats: Array = (np.exp(log_p) * -log_p).sum(-1)
    return nats / LN2


def divergence(teacher_logits: ArrayLike, student_logits: ArrayLike, temperature: float) -> Array:
    """Return KL(teacher ‖ student) of the softened predictions, (…), in bits."""
    log_p, log_q = log_soften(teacher_logits, temperature), log_soften(student_logits, temperature)
    nats: Array = (np.exp(log_p) * (log_p - log_q)).sum(-1)
    return np.maximum(nats, 0.0) / LN2  # rounding may leave a sum just below 0, which no divergence is


def overlap(teacher_logits: ArrayLike, student_logits: ArrayLike, temperature: float) -> Array:
    """Return the probability that both softened predictions share, Σ min(p, q), (…), from 0 to 1."""
    shared: Array = np.minimum(soften(teacher_logits, temperature), soften(student_logits, temperature)).sum(-1)
    return shared


def agreement(teacher_logits: ArrayLike, student_logits: ArrayLike) -> NDArray[np.bool_]:
    """Return whether both predict the same class, (…); a temperature does not change the predicted class."""
    equal: NDArray[np.bool_] = np.equal(np.argmax(teacher_logits, -1), np.argmax(student_logits, -1))
    return equal


def soft_confusion(logits: ArrayLike, labels: NDArray[np.int64], temperature: float) -> Array:
    """Return the mean softened prediction for each true class, (classes, classes): row = true class.

    `logits` (examples, classes), `labels` (examples,). The row of a class without examples is NaN.
    """
    softened = soften(logits, temperature)
    classes = softened.shape[1]
    sums = np.zeros((classes, classes))
    np.add.at(sums, labels, softened)
    counts = np.bincount(labels, minlength=classes)[:, None]
    return np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)


def soft_gradient(student_logits: ArrayLike, teacher_logits: ArrayLike, temperature: float) -> Array:
    """Return (q − p)/T, (…, classes): the soft loss's gradient in the student's logits (Hinton et al. 2015, eq. 2).

    q and p are the softened predictions of student and teacher; the loss is in nats, without the factor T².
    """
    return _difference(soften(student_logits, temperature), soften(teacher_logits, temperature)) / temperature


def matching_gradient(student_logits: ArrayLike, teacher_logits: ArrayLike, temperature: float) -> Array:
    """Return (z − v)/(N T²), (…, classes): the limit of `soft_gradient` at high T (Hinton et al. 2015, eq. 4).

    z and v are the logits of student and teacher, each with its mean over the N classes taken away.
    """
    z, v = np.asarray(student_logits, dtype=np.float64), np.asarray(teacher_logits, dtype=np.float64)
    difference: Array = (z - z.mean(-1, keepdims=True)) - (v - v.mean(-1, keepdims=True))
    return difference / (np.size(z, -1) * temperature**2)


def hard_gradient(student_logits: ArrayLike, labels: ArrayLike) -> Array:
    """Return softmax(z) − one-hot label, (…, classes): the gradient of the cross-entropy (nats) in the logits z."""
    q = soften(student_logits)
    one_hot = np.arange(q.shape[-1]) == np.asarray(labels)[..., None]
    return _difference(q, one_hot.astype(np.float64))


def angle(a: ArrayLike, b: ArrayLike) -> Array:
    """Return the angle between two gradients (…, classes), in degrees, (…); NaN where one of them is 0."""
    with np.errstate(invalid="ignore"):
        a, b = (vector / _size(vector) for vector in (np.asarray(a), np.asarray(b)))
    # Unlike the arc cosine, this keeps its digits near 0 (Kahan 2006, "How futile are mindless assessments").
    half: Array = np.arctan2(np.linalg.norm(a - b, axis=-1), np.linalg.norm(a + b, axis=-1))
    return np.degrees(2 * half)


def relative_error(exact: ArrayLike, limit: ArrayLike) -> Array:
    """Return |exact − limit| / |exact| of two gradients (…, classes), (…); NaN where `exact` is 0."""
    truth = np.asarray(exact)
    size, miss = _size(truth)[..., 0], _size(truth - np.asarray(limit))[..., 0]
    with np.errstate(over="ignore"):
        return np.divide(miss, size, out=np.full_like(size, np.nan), where=size > 0)


def power_mean(log_probabilities: ArrayLike, exponent: float) -> Array:
    """Return one prediction of several teachers: their power mean (mean p^r)^(1/r), made to sum to 1, (…, classes).

    `log_probabilities` (teachers, …, classes), in nats and finite, as `log_soften` gives them. `exponent` r from 0, the
    geometric mean, which is the softmax of the mean logits, to 1, the arithmetic mean.
    """
    logs = np.asarray(log_probabilities, dtype=np.float64)
    top = logs.max(0)
    below = logs - top
    # expm1 and log1p keep the digits of a small r, so that the mean reaches the geometric one without a jump.
    mean = below.mean(0) if exponent == 0 else np.log1p(np.expm1(exponent * below).mean(0)) / exponent
    return soften(top + mean, 1.0)


def class_similarity(confusion: Array) -> Array:
    """Return how much of the prediction one class gets when the other is true, (classes, classes), symmetric.

    `confusion` is a soft confusion matrix M; the result is (M + Mᵀ)/2 with a diagonal of 0, NaN where a row is missing.
    """
    similarity: Array = (confusion + confusion.T) / 2
    np.fill_diagonal(similarity, 0.0)
    return similarity


def similar_pairs(confusion: Array) -> list[tuple[int, int, float]]:
    """Return (class a, class b, similarity) for all a < b, the most similar first; pairs without examples are left out.

    `confusion` is a soft confusion matrix (classes, classes).
    """
    similarity = class_similarity(confusion)
    rows, columns = np.triu_indices(len(similarity), 1)
    values = similarity[rows, columns]
    order = [index for index in np.argsort(-values, kind="stable") if not np.isnan(values[index])]
    return [(int(rows[index]), int(columns[index]), float(values[index])) for index in order]


def dendrogram(confusion: Array) -> Array:
    """Return the average-linkage tree of the classes as SciPy's linkage matrix, (classes − 1, 4).

    The distance of two classes is −log2 of their similarity, in bits, 40 at the most; without examples they have none.
    """
    from scipy.cluster.hierarchy import linkage  # here, because a page is drawn before SciPy is needed

    similarity = np.nan_to_num(class_similarity(confusion), nan=0.0)[np.triu_indices(len(confusion), 1)]
    tree: Array = linkage(-np.log2(similarity.clip(1e-12, 1.0)), method="average")
    return tree


def _difference(q: Array, p: Array) -> Array:
    """Return q − p, whose classes sum to 0, with all its digits.

    Subtracting two probabilities near 1 would lose digits, so the difference of p's top class is minus the sum of the
    others.
    """
    difference = q - p
    winner = np.broadcast_to(p.argmax(-1)[..., None], (*difference.shape[:-1], 1))
    np.put_along_axis(difference, winner, 0.0, -1)
    np.put_along_axis(difference, winner, -difference.sum(-1, keepdims=True), -1)
    return difference


def _size(vector: NDArray[Any]) -> Array:
    """Return the length of vectors, (…, 1), by way of the largest component: squares of tiny ones would vanish."""
    largest = np.abs(vector).max(-1, keepdims=True)
    size: Array = largest * np.linalg.norm(vector / np.where(largest > 0, largest, 1.0), axis=-1, keepdims=True)
    return size

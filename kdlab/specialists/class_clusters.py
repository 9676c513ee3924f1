"""Classes that a network confuses: their similarity, and clusters of them.

The paper clusters the columns of the covariance of the predictions, for which no label is needed (Hinton et al. 2015,
section 5.3). To add a measure or a way to cluster, write a function like those below and name it in `SIMILARITIES` or
`METHODS`.
"""

from collections.abc import Callable
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from kdlab.metrics.classification import confusion_matrix
from kdlab.metrics.softened import soften
from kdlab.registry import InputError
from kdlab.specialists.subsets import Subset

__all__ = ["METHODS", "SIMILARITIES", "find_subsets", "tree"]

Logits = NDArray[np.float32]
Labels = NDArray[np.int64]
Matrix = NDArray[np.float64]


def _covariance(logits: Logits, labels: Labels) -> Matrix:
    """The covariance of the predicted probabilities: large for classes that are often probable together."""
    covariance: Matrix = np.cov(soften(logits), rowvar=False)
    return covariance


def _correlation(logits: Logits, labels: Labels) -> Matrix:
    """The covariance with each class scaled to variance 1: otherwise all uncertain classes seem similar."""
    covariance = _covariance(logits, labels)
    spread = np.sqrt(np.maximum(np.diag(covariance), 1e-30))
    scaled: Matrix = covariance / spread / spread[:, None]
    return scaled


def _mistakes(logits: Logits, labels: Labels) -> Matrix:
    """How often two classes are confused: the mean of both directions' rates in the confusion matrix.

    The diagonal is the largest of these: the rate of correct predictions is no similarity.
    """
    counts = confusion_matrix(logits, labels).astype(np.float64)
    rates = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    similarity: Matrix = (rates + rates.T) / 2
    np.fill_diagonal(similarity, 0)
    np.fill_diagonal(similarity, similarity.max())
    return similarity


# From logits (examples, classes) and labels, which only the last one needs, to a matrix (classes, classes).
SIMILARITIES: dict[str, Callable[[Logits, Labels], Matrix]] = {
    "correlation": _correlation, "covariance": _covariance, "mistakes": _mistakes,
}  # fmt: skip


def find_subsets(similarity: Matrix, count: int, size: int = 0, method: str = "k-means") -> list[Subset]:
    """Return `count` different subsets of similar classes, largest first.

    `similarity` (classes, classes); `size` 0: the clusters themselves, which do not overlap; otherwise so many classes
    each, those most similar to a cluster's own: they overlap if `count` × `size` is larger than the number of classes.
    `method`: one of `METHODS`. Raises InputError.
    """
    classes = len(similarity)
    if method not in METHODS:
        raise InputError(f"There is no way to cluster called {method!r}; known: {', '.join(METHODS)}.")
    if not 1 <= count <= classes:
        raise InputError(f"{count} specialists cannot be found among {classes} classes: choose 1 to {classes}.")
    if not 0 <= size < classes:
        raise InputError(
            f"A specialist can have 1 to {classes - 1} of {classes} classes (0: as clustered), not {size}."
        )
    if count == 1 and not size:
        raise InputError("One cluster would be all classes: choose two specialists or more, or a size for the one.")
    if len(np.unique(similarity.round(12), axis=0)) < count:  # the classes are indistinguishable: any clusters will do
        cluster_of_class = np.arange(classes) * count // classes
    else:
        cluster_of_class = METHODS[method](similarity, count)
    subsets: list[Subset] = []
    for label in np.unique(cluster_of_class):
        members = np.flatnonzero(cluster_of_class == label)
        if not size:
            subsets.append(tuple(members.tolist()))
            continue
        near = similarity[members].sum(0)
        near[members] -= np.diag(similarity)[members]  # similarity to the other members only
        near /= np.maximum(len(members) - np.isin(np.arange(classes), members), 1)
        ranked = np.lexsort([-near, cluster_of_class != label]).tolist()
        nearest = (tuple(sorted(choice)) for choice in combinations(ranked, size))
        subsets.append(next(choice for choice in nearest if choice not in subsets))
    return sorted(subsets, key=lambda subset: (-len(subset), subset))


def _by_means(similarity: Matrix, count: int) -> NDArray[np.int64]:
    """K-means on the columns, as in the paper."""
    from sklearn.cluster import KMeans

    labels: NDArray[np.int64] = KMeans(count, n_init=50, random_state=0).fit(similarity.T).labels_
    return labels


def _by_tree(similarity: Matrix, count: int) -> NDArray[np.int64]:
    """The tree, cut at the height with `count` branches."""
    from scipy.cluster.hierarchy import cut_tree

    labels: NDArray[np.int64] = cut_tree(_linkage(similarity), count)[:, 0]
    return labels


# From a similarity to the number of each class's cluster, (classes,).
METHODS: dict[str, Callable[[Matrix, int], NDArray[np.int64]]] = {"k-means": _by_means, "hierarchical": _by_tree}


def tree(similarity: Matrix) -> tuple[NDArray[np.int64], Matrix]:
    """Return the order of the leaves of the classes' dendrogram, (classes,), and its joints (classes − 1, 2, 4).

    A joint is a line through four points, given by their positions (0: the first leaf) and heights (0 to 1). Average
    linkage; similar classes are adjacent (Bar-Joseph et al. 2001).
    """
    from scipy.cluster.hierarchy import dendrogram

    drawn = dendrogram(_linkage(similarity), no_plot=True)
    positions = (np.array(drawn["icoord"]) - 5) / 10  # SciPy's leaves stand at 5, 15, 25 …
    heights = np.array(drawn["dcoord"])
    return np.array(drawn["leaves"]), np.stack([positions, heights / max(heights.max(), 1e-12)], 1)


def _distances(similarity: Matrix) -> Matrix:
    """The distances of the classes in SciPy's condensed form; above 0 even for the most similar pair."""
    above = similarity[np.triu_indices(len(similarity), 1)]
    apart: Matrix = above.max() + 0.1 * np.ptp(above) - above
    return apart


def _linkage(similarity: Matrix) -> Matrix:
    from scipy.cluster.hierarchy import linkage

    joined: Matrix = linkage(_distances(similarity), "average", optimal_ordering=True)
    return joined

"""Clusters of classes that a network confuses, where it is known which they are."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.cluster.hierarchy import cophenet, linkage
from scipy.spatial.distance import squareform

from kdlab.registry import InputError
from kdlab.specialists.class_clusters import METHODS, SIMILARITIES, find_subsets, tree

Matrix = NDArray[np.float64]
BLOCKS = [(0, 4, 7, 9), (1, 2, 8), (3, 5, 6)]


def answers(blocks: list[tuple[int, ...]] = BLOCKS, examples: int = 4000, seed: int = 0) -> tuple[Matrix, Matrix]:
    """Logits and labels of a network that takes the classes of a block for one another, and no others."""
    rng = np.random.default_rng(seed)
    classes = sum(map(len, blocks))
    block = np.empty(classes, dtype=np.int64)
    for at, members in enumerate(blocks):
        block[list(members)] = at
    labels = np.arange(examples) % classes
    logits = rng.normal(0, 1, (examples, classes))
    logits += 6 * (block[labels][:, None] == block)
    logits[np.arange(examples), labels] += 1
    return logits.astype(np.float32), labels


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("similarity", SIMILARITIES)
class TestPlantedBlocks:
    def test_are_found(self, similarity: str, method: str) -> None:
        for seed in range(3):
            logits, labels = answers(seed=seed)
            assert find_subsets(SIMILARITIES[similarity](logits, labels), 3, method=method) == BLOCKS

    def test_are_found_whatever_the_classes_are_called(self, similarity: str, method: str) -> None:
        logits, labels = answers()
        order = np.random.default_rng(1).permutation(10)
        place = np.argsort(order)
        found = find_subsets(SIMILARITIES[similarity](logits[:, order], place[labels]), 3, method=method)
        assert sorted(tuple(sorted(order[list(subset)].tolist())) for subset in found) == sorted(BLOCKS)

    def test_are_found_among_a_hundred_classes(self, similarity: str, method: str) -> None:
        blocks = [tuple(range(at, 100, 20)) for at in range(20)]
        logits, labels = answers(blocks, 8000)
        assert find_subsets(SIMILARITIES[similarity](logits, labels), 20, method=method) == blocks

    def test_are_filled_up_or_cut_to_size(self, similarity: str, method: str) -> None:
        matrix = SIMILARITIES[similarity](*answers())
        for size in range(1, 10):
            found = find_subsets(matrix, 3, size, method)
            assert [len(subset) for subset in found] == [size] * 3
            assert len(set(found)) == 3
            for subset in found:
                assert list(subset) == sorted(set(subset))
                assert any(set(subset) <= set(block) or set(block) <= set(subset) for block in BLOCKS)
        overlapping = np.bincount(np.concatenate(find_subsets(matrix, 3, 5, method)), minlength=10)
        assert overlapping.sum() == 15
        assert overlapping.min() >= 1

    def test_every_count_gives_as_many_subsets_the_same_each_time(self, similarity: str, method: str) -> None:
        matrix = SIMILARITIES[similarity](*answers())
        before = matrix.copy()
        for count in range(2, 11):
            found = find_subsets(matrix, count, method=method)
            assert len(found) == count
            assert sorted(np.concatenate(found).tolist()) == list(range(10))  # each class in one of them
            assert found == sorted(found, key=lambda subset: (-len(subset), subset))
            assert find_subsets(matrix, count, method=method) == found
        assert np.array_equal(matrix, before)


def test_covariance_and_correlation_need_no_labels() -> None:
    logits, labels = answers()
    for name in ("covariance", "correlation"):
        expected = SIMILARITIES[name](logits, labels)
        assert np.array_equal(SIMILARITIES[name](logits, np.zeros_like(labels)), expected)
        assert expected == pytest.approx(expected.T)
    p = np.exp(logits.astype(np.float64))
    p /= p.sum(1, keepdims=True)
    centred = p - p.mean(0)
    assert SIMILARITIES["covariance"](logits, labels) == pytest.approx(centred.T @ centred / (len(p) - 1))
    assert np.diag(SIMILARITIES["correlation"](logits, labels)) == pytest.approx(1)


def test_mistakes_are_the_rates_of_both_directions() -> None:
    labels = np.array([0, 0, 0, 0, 1, 1, 2])
    predicted = np.array([0, 1, 1, 2, 1, 0, 2])
    found = SIMILARITIES["mistakes"](np.eye(3, dtype=np.float32)[predicted], labels)
    assert found == pytest.approx(np.array([[0.5, 0.5, 0.125], [0.5, 0.5, 0], [0.125, 0, 0.5]]))


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_the_dendrogram_is_that_of_average_linkage(similarity: str) -> None:
    for blocks in (BLOCKS, [(0, 1)], [(0, 2), (1,)], [tuple(range(at, 100, 20)) for at in range(20)]):
        matrix = SIMILARITIES[similarity](*answers(blocks))
        classes = len(matrix)
        order, joints = tree(matrix)
        assert sorted(order.tolist()) == list(range(classes))
        assert joints.shape == (classes - 1, 2, 4)
        assert joints[:, 0].min() == 0
        assert joints[:, 0].max() == classes - 1
        above = matrix[np.triu_indices(classes, 1)]
        distances = above.max() + 0.1 * np.ptp(above) - matrix  # so that the first joint, too, can be seen
        np.fill_diagonal(distances, 0)
        expected = np.sort(linkage(squareform(distances, checks=False), "average")[:, 2])
        heights = np.sort(joints[:, 1].max(1))
        assert heights * expected.max() == pytest.approx(expected, abs=1e-9)
        # Those between two leaves are joined with them before anything outside is: the order fits SciPy's tree.
        meet = squareform(cophenet(linkage(squareform(distances, checks=False), "average")))[order][:, order]
        neighbours = np.diag(meet, 1)
        for low in range(min(classes, 20) - 1):
            assert meet[low, low + 1 :] == pytest.approx(np.maximum.accumulate(neighbours[low:]), abs=1e-9)
        assert np.sort(neighbours) == pytest.approx(expected, abs=1e-9)
        for x, y in joints:  # two upright lines and one across
            assert (x[0], x[3], y[1]) == (x[1], x[2], y[2])
            assert x[0] < x[3]


def test_blocks_lie_side_by_side_in_the_order() -> None:
    order, _ = tree(SIMILARITIES["covariance"](*answers()))
    place = np.argsort(order)
    for block in BLOCKS:
        places = place[list(block)]
        assert places.max() - places.min() == len(block) - 1


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("value", [0.0, 1.0, -3.5])
def test_where_nothing_tells_the_classes_apart_any_parts_will_do(value: float, method: str) -> None:
    for matrix in (np.full((6, 6), value), np.eye(6) * value):
        for count in range(2, 7):
            found = find_subsets(matrix, count, method=method)
            assert len(found) == count
            assert sorted(np.concatenate(found).tolist()) == list(range(6))
            sized = find_subsets(matrix, count, 2, method)
            assert [len(subset) for subset in sized] == [2] * count
        order, joints = tree(matrix)
        assert sorted(order.tolist()) == list(range(6))
        assert np.isfinite(joints).all()


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_a_network_that_never_errs_or_always_says_the_same(similarity: str) -> None:
    labels = np.arange(60) % 6
    for logits in (np.eye(6)[labels] * 50, np.zeros((60, 6)), np.eye(6)[np.zeros(60, int)] * 50):
        matrix = SIMILARITIES[similarity](logits.astype(np.float32), labels)
        assert np.isfinite(matrix).all()
        for method in METHODS:
            assert sorted(np.concatenate(find_subsets(matrix, 3, method=method)).tolist()) == list(range(6))


@pytest.mark.parametrize(
    ("count", "size", "method", "expected"),
    [
        (0, 0, "k-means", "0 specialists cannot be found among 6 classes: choose 1 to 6."),
        (7, 0, "k-means", "7 specialists cannot be found"),
        (2, 6, "k-means", "A specialist can have 1 to 5 of 6 classes (0: as clustered), not 6."),
        (2, -1, "hierarchical", "not -1."),
        (1, 0, "hierarchical", "One cluster would be all classes"),
        (2, 0, "kmeans", "There is no way to cluster called 'kmeans'; known: k-means, hierarchical."),
    ],
)
def test_bad_requests_are_refused_in_one_sentence(count: int, size: int, method: str, expected: str) -> None:
    with pytest.raises(InputError) as error:
        find_subsets(np.eye(6), count, size, method)
    assert expected in str(error.value)
    assert str(error.value).count(". ") == 0


@pytest.mark.parametrize("method", METHODS)
def test_one_specialist_of_a_size(method: str) -> None:
    matrix = SIMILARITIES["covariance"](*answers())
    (subset,) = find_subsets(matrix, 1, 4, method)
    assert len(subset) == 4

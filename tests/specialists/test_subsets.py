"""The classes of specialists as text, what is refused, and who is asked."""

import numpy as np
import pytest
from refusals import refusal

from kdlab.specialists.routing import route
from kdlab.specialists.subsets import check_subsets, membership, read_subsets, write_subsets

CLASSES = ("airplane", "bird", "cat", "dog", "great white shark")
ODD = ("a, b", "c; d", " e", 'f "g" h', '"', ",", ";", "i", '","', "j\tk", "l ")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cat, dog", [(2, 3)]),
        ("cat,dog;bird", [(2, 3), (1,)]),
        ("  dog ,cat ;\n great white shark , bird", [(3, 2), (4, 1)]),
        ("cat, dog; dog, bird; cat, bird", [(2, 3), (3, 1), (2, 1)]),
        ('"cat", "great white shark"', [(2, 4)]),
        ("cat,, dog,", [(2, 3)]),
    ],
)
def test_reading(text: str, expected: list[tuple[int, ...]]) -> None:
    assert read_subsets(text, CLASSES) == expected
    assert read_subsets(write_subsets(expected, CLASSES), CLASSES) == expected


def test_writing_is_what_a_person_would_write() -> None:
    assert write_subsets([(2, 3), (0, 4)], CLASSES) == "cat, dog; airplane, great white shark"


def test_odd_names_come_back_from_text() -> None:
    for subsets in ([(at,) for at in range(len(ODD))], [tuple(range(10)), (10, 0, 5, 3)], [(3, 2, 1), (8, 4, 6)]):
        assert read_subsets(write_subsets(subsets, ODD), ODD) == subsets


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "Specialist 1 has no class: give it one or more, or remove it."),
        (" ; ", "Specialist 1 has no class"),
        ("cat;", "Specialist 2 has no class"),
        ("cat; ,; dog", "Specialist 2 has no class"),
        ("cat, dog, bird, airplane, great white shark", "Specialist 1 has all 5 classes"),
        ("cat, dog; bird; dog, cat", "Specialists 1 and 3 have the same classes: change or remove one of them."),
        ("cat; dog, dog", "Specialist 2 has the class 'dog' twice: name it once."),
        ("cat, dgo", "There is no class 'dgo' for a specialist; the classes are airplane, bird, cat, dog, great white"),
        ("Cat", "There is no class 'Cat'"),
        ("great", "There is no class 'great'"),
        ("cat dog", "There is no class 'cat dog'"),
        ('"cat', "There is no class '\"cat'"),
        ('"cat" dog', "There is no class '\"cat\" dog'"),
    ],
)
def test_bad_text_is_refused_in_one_sentence(text: str, expected: str) -> None:
    assert refusal(read_subsets, text, CLASSES).startswith(expected)


@pytest.mark.parametrize(
    ("subsets", "expected"),
    [
        ([], "There is no specialist: name the classes of at least one"),
        ([()], "Specialist 1 has no class"),
        ([(0, 1), (2, 2)], "Specialist 2 has the class 'cat' twice"),
        ([(4, 3, 2, 1, 0)], "Specialist 1 has all 5 classes"),
        ([(0, 5)], "Specialist 1 has the class number 5: they go from 0 to 4."),
        ([(0,), (-1,)], "Specialist 2 has the class number -1"),
        ([(0, 1), (1, 3)], "Specialist 2 has the class 'dog', of which there is no training image"),
    ],
)
def test_bad_subsets_are_refused_in_one_sentence(subsets: list[tuple[int, ...]], expected: str) -> None:
    assert refusal(check_subsets, subsets, CLASSES, np.array([0, 0, 1, 2, 4])).startswith(expected)


def test_good_subsets_pass() -> None:
    check_subsets([(0,), (0, 1), (3, 1, 2, 4)], CLASSES)
    check_subsets([(0, 1), (4, 2)], CLASSES, np.array([4, 0, 1, 2, 0]))


def test_a_hundred_classes_are_not_all_listed() -> None:
    assert "class 19 …" in refusal(read_subsets, "nothing", [f"class {at}" for at in range(100)])


def test_membership() -> None:
    members = membership([(2, 0), (1,), (2,)], 4)
    assert members.dtype == bool
    assert members.astype(int).tolist() == [[1, 0, 1, 0], [0, 1, 0, 0], [0, 0, 1, 0]]
    assert membership([], 4).shape == (0, 4)


def test_those_are_asked_who_know_one_of_the_first_n_classes() -> None:
    logits = np.array([[5, 4, 3, 2, 1], [1, 2, 3, 4, 5], [0, 9, 0, 9, 0]], dtype=np.float32)
    subsets = [(0, 1), (2,), (1, 4)]
    expected = {
        0: [[0, 0, 0], [0, 0, 0], [0, 0, 0]],
        1: [[1, 0, 0], [0, 0, 1], [1, 0, 1]],
        2: [[1, 0, 1], [0, 0, 1], [1, 0, 1]],
        3: [[1, 1, 1], [0, 1, 1], [1, 0, 1]],
        5: [[1, 1, 1], [1, 1, 1], [1, 1, 1]],
        9: [[1, 1, 1], [1, 1, 1], [1, 1, 1]],
    }
    for n, asked in expected.items():
        found = route(logits, subsets, n)
        assert found.dtype == bool
        assert found.astype(int).tolist() == asked
    assert route(logits, [], 2).shape == (3, 0)

"""What the browser computes is what kdlab.metrics.softened computes.

Both sides use float64 and are far closer than the float32 of the logits; each tolerance is what rounding explains.
"""

import base64
from collections.abc import Iterator, Mapping
from importlib.resources import as_file, files
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray
from playwright.sync_api import Browser, Page

import kdlab
from kdlab.io.predictions import Predictions
from kdlab.metrics import softened as lab
from kdlab.train.history import History
from kdlab.widgets.esm import SHARED, bundle

TEMPERATURES = [0.5, 1.0, 2.7, 20.0, 100.0]
EXPONENTS = [0.0, 1e-6, 0.3, 1.0]
TINY = 1e-300  # below, float64 has fewer digits
Array = NDArray[np.float64]
Set = tuple[dict[str, Array], NDArray[np.int64]]  # logits by role, labels

SCALES = [1.0, 30.0, 1e4]
for_all_counts = pytest.mark.parametrize("classes", [2, 10, 100])

COMPUTE = Path(kdlab.__file__).parent / "pages" / "temperature" / "compute"

# Numbers travel as float64 in base64; `rows` are plain arrays, as the page holds one example.
LOAD = """async ([name, source]) => {
  const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  globalThis[name] = (await import(address)).default;
  globalThis.doubles = (text) => new Float64Array(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
  globalThis.rows = (text, width) => {
    const all = [...doubles(text)];
    return Array.from({ length: all.length / width }, (_, i) => all.slice(i * width, (i + 1) * width));
  };
  globalThis.packed = (numbers) => {
    const bytes = new Uint8Array(Float64Array.from(numbers).buffer);
    return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
  };
  globalThis.makeSet = (classes, labels, logits) => ({
    classes: Array.from({ length: classes }, (_, j) => `class ${j}`),
    labels: Int32Array.from(labels),
    logits: Object.fromEntries(Object.entries(logits).map(([role, text]) => [role, Float32Array.from(doubles(text))])),
  });
}"""
PREDICTIONS = """([teachers, students, width, t]) => {
  const [v, z] = [rows(teachers, width), rows(students, width)];
  return {
    soften: v.flatMap((row) => [...softening.soften(row, t)]),
    logSoften: v.flatMap((row) => [...softening.logSoften(row, t)]),
    entropy: v.map((row) => softening.entropy(row, t)),
    divergence: v.map((row, i) => softening.divergence(row, z[i], t)),
  };
}"""
GRADIENTS = """([teachers, students, labels, width, t]) => {
  const [v, z] = [rows(teachers, width), rows(students, width)];
  const soft = z.map((row, i) => softening.softGradient(row, v[i], t));
  const matching = z.map((row, i) => softening.matchingGradient(row, v[i], t));
  return {
    softGradient: soft.flatMap((row) => [...row]),
    matchingGradient: matching.flatMap((row) => [...row]),
    hardGradient: z.flatMap((row, i) => [...softening.hardGradient(row, labels[i])]),
    norm: soft.map(softening.norm),
    angle: soft.map((row, i) => softening.angle(row, matching[i])),
    relativeError: soft.map((row, i) => softening.relativeError(row, matching[i])),
  };
}"""
VECTORS = """([exact, limit, width]) => {
  const [a, b] = [exact, limit].map((text) => rows(text, width).map((row) => Float64Array.from(row)));
  return {
    norm: b.map(softening.norm),
    angle: a.map((row, i) => softening.angle(row, b[i])),
    relativeError: a.map((row, i) => softening.relativeError(row, b[i])),
  };
}"""
SHIFTED = """([teachers, students, width, t]) => {
  const [v, z] = [rows(teachers, width), rows(students, width)];
  const whole = (teacher, student) => {
    const set = { classes: teacher, labels: Int32Array.of(0), logits: { teacher, student } };
    return set_stats.setStats(set, t).divergence.student;
  };
  return {
    one: v.map((row, i) => softening.divergence(row, z[i], t)),
    setStats: v.map((row, i) => whole(Float64Array.from(row), Float64Array.from(z[i]))),
  };
}"""
ENSEMBLE = """([teachers, width, exponent]) => {
  const logs = teachers.map((text) => rows(text, width));
  return { mean: logs[0].flatMap((_, i) => [...softening.powerMean(logs.map((teacher) => teacher[i]), exponent)]) };
}"""
SET_STATS = """([classes, labels, logits, t]) => {
  const set = makeSet(classes, labels, logits);
  const whole = set_stats.setStats(set, t);
  const parts = set_stats.makeStatsAccumulator(set, t);
  parts.add(0, 5);
  parts.add(5, 6);
  parts.add(6, labels.length);
  if (JSON.stringify(parts.result()) !== JSON.stringify(whole)) throw new Error("in parts is not as a whole");
  const { temperature, softGradient, angle, error, ...byRole } = whole;
  const list = (value) => (typeof value === "number" ? [value] : value);
  const named = ([what, values]) => Object.entries(values).map(([role, value]) => [`${what} ${role}`, list(value)]);
  return {
    ...Object.fromEntries(Object.entries(byRole).flatMap(named)),
    temperature: [temperature], softGradient: [softGradient], angle: [angle], error: [error],
  };
}"""
INVARIANTS = """([classes, labels, logits]) => {
  const { mistakes, agreement, hardGradient } = set_stats.temperatureInvariants(makeSet(classes, labels, logits));
  const list = (shares) => Object.keys(logits).map((role) => shares[role]);
  return { mistakes: list(mistakes), agreement: list(agreement), hardGradient: [hardGradient] };
}"""
SIMILARITY = """([text, classes, count]) => {
  const confusion = doubles(text);
  const pairs = similarity.similarPairs(confusion, classes);
  if (JSON.stringify(similarity.similarPairs(confusion, classes, count)) !== JSON.stringify(pairs.slice(0, count)))
    throw new Error("the first pairs are others");
  const linkage = similarity.linkage(confusion, classes).flat();
  return { similarity: similarity.similarity(confusion, classes), pairs: pairs.flat(), linkage };
}"""


@pytest.fixture(scope="module")
def page(chromium: Browser) -> Iterator[Page]:
    page = chromium.new_page()
    for path in (SHARED / "softening.js", COMPUTE / "set_stats.js", COMPUTE / "similarity.js"):
        page.evaluate(LOAD, [path.stem, bundle(path)])
    yield page
    page.close()


def compute(page: Page, script: str, *given: Any) -> dict[str, Array]:
    """Return the lists of numbers that the script makes of what is given, by name."""
    pack = "Object.fromEntries(Object.entries(answer).map(([name, numbers]) => [name, packed(numbers)]))"
    answer = page.evaluate(f"(given) => {{ const answer = ({script})(given); return {pack}; }}", list(given))
    return {name: np.frombuffer(base64.b64decode(text)) for name, text in answer.items()}


def packed(array: ArrayLike) -> str:
    return base64.b64encode(np.ascontiguousarray(array, np.float64).tobytes()).decode()


def draw(classes: int, scale: float) -> Set:
    """Logits as float32 has them, between ±scale but for the corners, and labels without the last class."""
    generator = np.random.default_rng([classes, int(scale)])
    teacher, student, baseline = generator.uniform(-scale, scale, (3, 30, classes))
    teacher[0] = student[0] = 0
    teacher[1] = scale * np.round(teacher[1] / scale)  # ties, of the largest as well
    student[2] = scale * np.round(student[2] / scale)
    teacher[3, 0] += 2 * scale + 40  # both are certain of one class
    student[3, 0] += 2 * scale + 60
    teacher[4, 0] += 2 * scale + 40  # each of another
    student[4, 1] += 2 * scale + 40
    student[5] = teacher[5]
    student[6] = teacher[6]
    student[6, teacher[6].argmax()] += 0.01 * scale  # almost equal
    teacher[7] = 0.9 * scale + teacher[7] / scale  # far from 0, and of little difference
    logits = {"teacher": teacher, "student": student, "baseline": baseline}
    labels = generator.integers(0, classes - 1, 30)
    return {role: np.float32(values).astype(np.float64) for role, values in logits.items()}, labels


def assert_vectors(ours: Array, expected: Array, case: str, doubt: ArrayLike = 0.0) -> None:
    """Assert that vectors (examples, classes) agree within their own digits, or within `doubt`, (examples,)."""
    allowed = 1e-12 * np.abs(expected).max(-1) + doubt + TINY
    assert (np.abs(ours.reshape(expected.shape) - expected).max(-1) <= allowed).all(), case


def rounding(a: Array, b: Array) -> Array:
    """Return what is left of the difference of two predictions (examples, classes) that are equal, (examples,).

    That of the class which both give most follows from the others, so it is little where both are certain.
    """
    larger = np.maximum(a, b)
    np.put_along_axis(larger, b.argmax(-1)[:, None], 0, -1)
    return 1e-14 * larger.sum(-1)


def floor(temperature: float, *logits: Array) -> float:
    """Return what rounding leaves of a difference of two logarithms of probabilities."""
    return float(1e-15 * (1 + max(np.ptp(values, -1).max() for values in logits) / temperature))


@for_all_counts
def test_predictions_and_their_measures(page: Page, classes: int) -> None:
    for scale, temperature in product(SCALES, TEMPERATURES):
        logits, _ = draw(classes, scale)
        teacher, student = logits["teacher"], logits["student"]
        ours = compute(page, PREDICTIONS, packed(teacher), packed(student), classes, temperature)
        for name, expected, rtol, atol in (
            ("soften", lab.soften(teacher, temperature).ravel(), 1e-12, TINY),
            ("logSoften", lab.log_soften(teacher, temperature).ravel(), 1e-13, 1e-15),
            ("entropy", lab.entropy(teacher, temperature), 1e-12, 1e-14),
            ("divergence", lab.divergence(teacher, student, temperature), 1e-12, floor(temperature, teacher, student)),
        ):
            case = f"{name} at {scale=} and {temperature=}"
            np.testing.assert_allclose(ours[name], expected, rtol=rtol, atol=atol, err_msg=case)


def test_no_divergence_is_below_0(page: Page) -> None:
    """A constant on all logits changes no prediction; of some examples rounding leaves a sum just below 0."""
    teacher = draw(10, 30.0)[0]["teacher"]
    for temperature in TEMPERATURES:
        ours = compute(page, SHIFTED, packed(teacher), packed(teacher + 0.1), 10, temperature)
        for name, values in ours.items():
            assert ((values >= 0) & (values <= floor(temperature, teacher))).all(), f"{name} at {temperature=}"
            assert (values == 0).any(), f"{name} at {temperature=}"


@for_all_counts
def test_gradients(page: Page, classes: int) -> None:
    for scale, temperature in product(SCALES, TEMPERATURES):
        case = f"{scale=}, {temperature=}"
        logits, labels = draw(classes, scale)
        teacher, student = logits["teacher"], logits["student"]
        ours = compute(page, GRADIENTS, packed(teacher), packed(student), labels.tolist(), classes, temperature)
        soft = lab.soft_gradient(student, teacher, temperature)
        matching = lab.matching_gradient(student, teacher, temperature)
        doubt = rounding(lab.soften(student, temperature), lab.soften(teacher, temperature)) / temperature
        assert_vectors(ours["softGradient"], soft, case, doubt)
        assert_vectors(ours["matchingGradient"], matching, case)
        assert_vectors(ours["hardGradient"], lab.hard_gradient(student, labels), case)
        own = lengths(ours["softGradient"].reshape(soft.shape))
        np.testing.assert_allclose(ours["norm"], own, rtol=1e-14, err_msg=case)
        # Both compare gradients that T makes ever more alike, of which those of almost equal networks have 10 digits.
        angle, error = lab.angle(soft, matching), lab.relative_error(soft, matching)
        np.testing.assert_allclose(ours["angle"], angle, rtol=1e-7, atol=1e-10, err_msg=case)
        np.testing.assert_allclose(ours["relativeError"], error, rtol=1e-7, atol=1e-10, err_msg=case)


def test_lengths_angles_and_errors_at_any_size(page: Page) -> None:
    degrees = np.radians([0, 1e-10, 1e-6, 0.1, 45, 90, 135, 180 - 1e-6, 180])
    turned = np.concatenate([size * np.stack([np.cos(degrees), np.sin(degrees)], 1) for size in (1e-290, 1.0, 1e9)])
    exact, limit = np.concatenate([np.broadcast_to([3e-5, 0.0], turned.shape), turned[::-1]]), np.tile(turned, (2, 1))
    exact, limit = (np.concatenate([vectors, np.zeros((2, 2))]) for vectors in (exact, limit))
    limit[-1] = 1, -1  # no angle and no error: nothing against something, and against nothing
    ours = compute(page, VECTORS, packed(exact), packed(limit), 2)
    np.testing.assert_allclose(ours["norm"], lengths(limit), rtol=1e-14)
    np.testing.assert_allclose(ours["angle"], lab.angle(exact, limit), rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(ours["relativeError"], lab.relative_error(exact, limit), rtol=1e-12)


@for_all_counts
def test_ensembles(page: Page, classes: int) -> None:
    for scale, exponent, temperature in product(SCALES, EXPONENTS, (0.5, 2.7, 100.0)):
        teachers = np.stack(list(draw(classes, scale)[0].values()))
        logs = lab.log_soften(teachers, temperature)
        ours = compute(page, ENSEMBLE, [packed(one) for one in logs], classes, exponent)["mean"]
        case, rtol = f"{scale=}, {exponent=}, {temperature=}", 10 * floor(temperature, *teachers)
        np.testing.assert_allclose(ours, lab.power_mean(logs, exponent).ravel(), rtol=rtol, atol=TINY, err_msg=case)


@for_all_counts
def test_whole_sets(page: Page, classes: int) -> None:
    for scale, temperature in product(SCALES, TEMPERATURES):
        logits, labels = draw(classes, scale)
        expected = assert_set_stats(page, logits, labels, classes, temperature)
        assert np.isnan(expected["confusion teacher"][-classes:]).all()  # no example of the last class


@for_all_counts
def test_what_no_temperature_moves(page: Page, classes: int) -> None:
    for scale in SCALES:
        assert_invariants(page, *draw(classes, scale), classes)


def test_a_student_without_a_gradient_has_no_angle_and_no_error(page: Page) -> None:
    logits, labels = draw(10, 30.0)
    expected = assert_set_stats(page, logits | {"student": logits["teacher"]}, labels, 10, 2.7)
    assert np.isnan([expected["angle"], expected["error"]]).all()


def test_the_opening_run(page: Page) -> None:
    with as_file(files("kdlab.assets") / "opening" / "history.npz") as path:
        history = History.load(path)
    assert history.opened is not None
    logits = {role: values.astype(np.float64) for role, values in history.logits.items()}
    assert set(logits) == {"teacher", "student", "baseline"}
    for temperature in TEMPERATURES:
        expected = assert_set_stats(page, logits, history.opened.labels, 10, temperature)
        assert_similarity(page, expected["confusion teacher"].reshape(10, 10))
    assert_invariants(page, logits, history.opened.labels, 10)


@for_all_counts
def test_classes_that_are_alike(page: Page, classes: int) -> None:
    generator = np.random.default_rng(classes)
    labels = generator.integers(0, classes, 5 * classes)
    for missing in (False, True):
        kept = np.append(labels[labels > 0], range(missing, classes))
        logits = generator.normal(0, 3, (len(kept), classes))
        logits[np.arange(len(kept)), kept] += 4
        confusion = lab.soft_confusion(logits, kept, 2.0)
        assert np.isnan(confusion).any() == missing
        assert_similarity(page, confusion)


def test_classes_that_are_all_alike_or_not_at_all(page: Page) -> None:
    """Several trees are right here: SciPy and the page need only join at the same distances."""
    nothing = np.full((4, 4), np.nan)
    for confusion in (np.eye(5), np.full((5, 5), 0.2), nothing, np.array([[0.0, 1.0], [1.0, 0.0]])):
        ours = compute(page, SIMILARITY, packed(confusion), len(confusion), 3)
        pairs = [number for pair in lab.similar_pairs(confusion) for number in pair]
        assert ours["pairs"].tolist() == pairs
        tree = ours["linkage"].reshape(-1, 4)
        np.testing.assert_allclose(tree[:, 2], lab.dendrogram(confusion)[:, 2], rtol=1e-12)
        assert tree[-1, 3] == len(confusion)


def assert_set_stats(
    page: Page, logits: Mapping[str, Array], labels: NDArray[np.int64], classes: int, temperature: float
) -> dict[str, Array]:
    """Assert that the statistics of a set, in one go and in parts, equal the NumPy ones; return those."""
    given = {role: packed(values) for role, values in logits.items()}
    ours = compute(page, SET_STATS, classes, labels.tolist(), given, temperature)
    teacher, student = logits["teacher"], logits["student"]
    soft = lab.soft_gradient(student, teacher, temperature)
    matching = lab.matching_gradient(student, teacher, temperature)
    angles = lab.angle(soft, matching)
    expected = {
        "temperature": np.array([temperature]),
        "softGradient": lengths(soft).mean(keepdims=True),
        "angle": angles[~np.isnan(angles)].mean(keepdims=True) if np.isfinite(angles).any() else np.array([np.nan]),
        "error": mean_ratio(lengths(soft - matching), lengths(soft)),
    }
    for role, values in logits.items():
        expected[f"confusion {role}"] = lab.soft_confusion(values, labels, temperature).ravel()
        expected[f"entropy {role}"] = lab.entropy(values, temperature).mean(keepdims=True)
        if role != "teacher":
            expected[f"divergence {role}"] = lab.divergence(teacher, values, temperature).mean(keepdims=True)
            expected[f"overlap {role}"] = lab.overlap(teacher, values, temperature).mean(keepdims=True)
    assert set(ours) == set(expected)
    floors = {
        "confusion": TINY,
        "divergence": floor(temperature, *logits.values()),
        "entropy": 1e-14,
        "angle": 2e-6,  # an arc cosine: near 0 it has half its digits, which no one sees in degrees
        "error": 1e-11,  # as in test_gradients
    }
    for name, values in ours.items():
        atol = floors.get(name.split()[0], 0)
        np.testing.assert_allclose(values, expected[name], rtol=1e-9, atol=atol, err_msg=f"{name} at {temperature=}")
    return expected


def assert_invariants(page: Page, logits: Mapping[str, Array], labels: NDArray[np.int64], classes: int) -> None:
    given = {role: packed(values) for role, values in logits.items()}
    ours = compute(page, INVARIANTS, classes, labels.tolist(), given)
    assert ours["mistakes"].tolist() == [(values.argmax(-1) != labels).sum() for values in logits.values()]
    agreement = [lab.agreement(logits["teacher"], values).mean() for values in logits.values()]
    np.testing.assert_allclose(ours["agreement"], agreement, rtol=1e-12)
    hard = lengths(lab.hard_gradient(logits["student"], labels)).mean()
    np.testing.assert_allclose(ours["hardGradient"], [hard], rtol=1e-12)


def assert_similarity(page: Page, confusion: Array) -> None:
    ours = compute(page, SIMILARITY, packed(confusion), len(confusion), 3)
    # Classes that cannot be compared have no similarity in the core and 0 in the page, which draws it.
    np.testing.assert_array_equal(ours["similarity"], np.nan_to_num(lab.class_similarity(confusion)).ravel())
    assert [tuple(pair) for pair in ours["pairs"].reshape(-1, 3)] == lab.similar_pairs(confusion)
    np.testing.assert_allclose(ours["linkage"].reshape(-1, 4), lab.dendrogram(confusion), rtol=1e-12)


def lengths(vectors: Array) -> Array:
    """Return the Euclidean lengths, (examples,); squares of the tiniest would vanish."""
    largest = np.abs(vectors).max(-1)
    return largest * np.linalg.norm(vectors / np.where(largest > 0, largest, 1)[:, None], axis=-1)


def mean_ratio(above: Array, below: Array) -> Array:
    return np.array([above.mean() / below.mean() if below.any() else np.nan])


@pytest.mark.parametrize("exponent", [0.0, 0.3, 1.0])
def test_the_mistakes_of_an_ensemble(page: Page, exponent: float) -> None:
    with as_file(files("kdlab.assets") / "temperature" / "mnist.npz") as path:
        shipped = Predictions.load(path)
    teachers = [shipped.logits["teacher"], *shipped.more_teachers]
    mean = lab.power_mean(np.stack([lab.log_soften(logits, 4.0) for logits in teachers]), exponent)
    script = """([teachers, labels, exponent]) =>
      set_stats.ensembleMistakes(teachers.map((text) => Float32Array.from(doubles(text))), labels, 10, 4, exponent)"""
    ours = page.evaluate(script, [[packed(one) for one in teachers], shipped.labels.tolist(), exponent])
    assert ours == (mean.argmax(-1) != shipped.labels).sum()

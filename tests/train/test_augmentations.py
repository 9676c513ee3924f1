"""Moved views of the images, the teacher's kept answers, and who is shown what while a student learns."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from copy import deepcopy
from itertools import islice, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from refusals import command_refusal, refusal
from scipy.ndimage import affine_transform
from torch import Tensor, nn

from kdlab import models
from kdlab.augmentations import Views, make_views
from kdlab.cli import main
from kdlab.datasets import Dataset, Split, load
from kdlab.distillation import teacher_training
from kdlab.distillation.distill import distill, distill_events, fit
from kdlab.losses import Part
from kdlab.losses.hinton import hinton
from kdlab.registry import AUGMENTATIONS, LOSSES, MODELS, TEACHER_VIEWS, Entry, InputError, Knob
from kdlab.train import teacher_logits as answers_module
from kdlab.train.batches import PREFETCH_BATCHES, batches, transfer_set
from kdlab.train.evaluate import CHUNK, evaluating, predict
from kdlab.train.events import Phase, Probe, Step
from kdlab.train.forward_check import sample_inputs
from kdlab.train.seeding import generator, seeded
from kdlab.train.spec import Spec
from kdlab.train.teacher_logits import TeacherLogitCache

# Teachers here have mostly learnt nothing.
pytestmark = pytest.mark.filterwarnings("ignore::kdlab.registry.InputWarning")
STRONG = "affine:views=7:degrees=40:scale=0.4:pixels=3"
NAMES = [*AUGMENTATIONS.examples(), "shift:pixels=0", "shift:pixels=3", STRONG]
SHAPES = [(1, 8, 8), (3, 7, 13), (1, 28, 28), (2, 13, 5), (3, 1, 1), (1, 1, 2)]
CPU = torch.device("cpu")
FLOAT32, BFLOAT16 = torch.float32, torch.bfloat16


@pytest.fixture(autouse=True)
def no_kept_teacher(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teacher_training, "_last_teacher", None)


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load("digits")


def noise(examples: int, shape: tuple[int, int, int], seed: int = 0) -> Tensor:
    """Images without a black pixel, so that what comes in from outside can be told from them; the first is white."""
    size = (examples, *shape)
    images = torch.randint(1, 256, size, generator=torch.Generator().manual_seed(seed)).to(torch.uint8)
    images[0] = 255
    return images


def every(views: Views, images: Tensor) -> tuple[Tensor, Tensor]:
    """Index and view of all views of all images, those of one image together."""
    index = torch.arange(len(images)).repeat_interleave(views.count)
    return index, torch.arange(views.count).repeat(len(images))


def shown(views: Views, images: Tensor) -> Tensor:
    """All views (examples, views, channels, height, width) in [0, 1]."""
    return views.inputs(*every(views, images)).unflatten(0, (len(images), views.count))


def rows(images: Tensor) -> list[bytes]:
    """uint8 images, or inputs in [0, 1] that stand for whole grey levels, as bytes."""
    if images.dtype != torch.uint8:
        grey = images.float() * 255
        assert torch.allclose(grey, grey.round(), atol=1e-3)
        images = grey.round().to(torch.uint8)
    return [image.numpy().tobytes() for image in images]


def collect_events(seen: list[object], **fields: Any) -> None:
    """Run to the end and keep the events that come before a refusal."""
    seen.extend(distill_events(Spec(**fields)))


# --- every augmentation -----------------------------------------------------------------------------------------------


def test_the_names_below_hold_every_augmentation() -> None:
    assert {AUGMENTATIONS.find(name)[0].key for name in NAMES} == set(AUGMENTATIONS)


def draw_cases(key: str, images: int = 6, draws: int = 12) -> Iterator[tuple[str, Tensor]]:
    """Draw options of one augmentation, and images of a shape; the names and shapes above come among them."""
    rng = np.random.default_rng(len(key))
    entry = AUGMENTATIONS[key]
    fixed = [name for name in NAMES if AUGMENTATIONS.find(name)[0] is entry]
    for draw in range(draws):
        options = [f"{knob.key}={draw_option(knob, rng)}" for knob in entry.knobs if rng.random() < 0.7]
        name = fixed[draw // 2 % len(fixed)] if draw % 2 else ":".join([key, *options])
        channels, height, width = rng.integers(1, (4, 20, 20))
        shape = SHAPES[draw % len(SHAPES)] if draw < len(SHAPES) else (channels, height, width)
        yield name, noise(images, shape, seed=draw)


def draw_option(knob: Knob, rng: np.random.Generator) -> int | float:
    """Draw a value from the least that is allowed to twice the default."""
    most = min(knob.maximum, 2 * knob.default)
    if knob.kind is int:
        return int(rng.integers(knob.minimum, most, endpoint=True))
    return round(float(rng.uniform(knob.minimum, most)), 3)


@pytest.mark.parametrize("key", AUGMENTATIONS)
class TestEveryAugmentation:
    def test_view_0_is_the_image_and_every_view_is_an_image(self, key: str) -> None:
        for name, images in draw_cases(key):
            case = f"{name} on {tuple(images.shape)}"
            before = images.clone()
            views = make_views(name, images)
            inputs = shown(views, images)
            assert inputs.shape == (6, views.count, *images.shape[1:]), case
            assert inputs.dtype == FLOAT32, case
            assert inputs.min() >= 0, case
            assert inputs.max() <= 1, case
            assert torch.equal(inputs[:, 0], Split(images, torch.zeros(6)).inputs()), case
            assert torch.equal(images, before), case
            rows(inputs.flatten(0, 1))  # whole grey levels, as the images have them

    def test_a_view_is_the_same_in_any_batch(self, key: str) -> None:
        for name, images in draw_cases(key):
            case = f"{name} on {tuple(images.shape)}"
            views = make_views(name, images)
            index, view = every(views, images)
            whole = views.inputs(index, view)
            mixed = torch.randperm(len(index), generator=torch.Generator().manual_seed(0))
            for part in (mixed, mixed[:7], mixed[:1], mixed[:1].repeat(3)):
                assert torch.equal(views.inputs(index[part], view[part]), whole[part]), case
            again = make_views(name, images)
            assert torch.equal(again.inputs(index, view), whole), case

    def test_a_view_is_of_its_own_image_alone(self, key: str) -> None:
        for name, images in draw_cases(key):
            case = f"{name} on {tuple(images.shape)}"
            others = noise(6, images.shape[1:], seed=1000)
            others[3] = images[3]
            first, second = (shown(make_views(name, those), those) for those in (images, others))
            assert torch.equal(first[3], second[3]), case
            assert not torch.equal(first[1], second[1]), case

    def test_views_come_in_the_type_that_is_asked_for(self, key: str) -> None:
        for name, images in draw_cases(key):
            views = make_views(name, images)
            index, view = every(views, images)
            single = views.inputs(index, view)
            for dtype in (None, FLOAT32, torch.float64, torch.float16, BFLOAT16):
                case = f"{name} on {tuple(images.shape)} in {dtype}"
                inputs = views.inputs(index, view, dtype)
                assert inputs.dtype == (dtype or FLOAT32), case
                bound = torch.finfo(inputs.dtype).eps / 2 + torch.finfo(FLOAT32).eps
                torch.testing.assert_close(inputs.double(), single.double(), rtol=bound, atol=0, msg=case)
                assert inputs.max() <= 1, case
                assert torch.equal(inputs[view == 0], Split(images, index).inputs(dtype=dtype)), case


def test_all_views_of_an_image_differ() -> None:
    images = noise(20, (1, 9, 11))
    images[0] = noise(1, (1, 9, 11), seed=5)  # a white image moved down looks like one that has shrunk
    images[0, :, ::2, 1:] //= 2
    for name in NAMES:
        for own in shown(make_views(name, images), images):
            assert len(set(rows(own))) == len(own), name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("none:x", "does not understand 'x'; options it knows: none."),
        ("flip:x", "does not understand 'x'; options it knows: none."),
        ("flip:pixels=1", "does not understand 'pixels=1'; options it knows: none."),
        ("shift:pixels=-1", "cannot take 'pixels=-1': largest move in either direction, from 0 to 16."),
        ("shift:pixels=17", "from 0 to 16."),
        ("shift:pixels=1.5", "from 0 to 16."),
        ("shift:pixels=", "from 0 to 16."),
        ("shift:pixels", "does not understand 'pixels'; options it knows: pixels=…."),
        ("shift:foo=1", "does not understand 'foo=1'; options it knows: pixels=…."),
        ("affine:views=1", "views of each image, itself included, from 2 to 100."),
        ("affine:views=1e9", "views of each image, itself included, from 2 to 100."),
        ("affine:degrees=nan", "largest turn in either direction, from 0 to 180."),
        ("affine:degrees=181", "from 0 to 180."),
        ("affine:scale=1", "as a share, from 0 to 0.9."),
        ("affine:scale=-inf", "as a share, from 0 to 0.9."),
        ("affine:turn=1", "options it knows: views=…, degrees=…, scale=…, pixels=…."),
    ],
)
def test_a_bad_argument_is_refused_before_anything_is_trained(name: str, expected: str) -> None:
    assert expected in refusal(make_views, name, noise(2, (1, 8, 8)))
    for field in ("augmentation", "teacher_augmentation"):
        seen: list[object] = []
        assert expected in refusal(collect_events, seen, **{field: name})
        assert not any(isinstance(event, Phase | Probe) for event in seen)


@pytest.mark.parametrize(
    ("field", "name", "meant"),
    [
        ("augmentation", "shfit:pixels=1", "shift"),
        ("teacher_augmentation", "afine", "affine"),
        ("teaching", "independant", "independent"),
    ],
)
def test_an_unknown_name_is_refused_with_what_may_be_meant(field: str, name: str, meant: str) -> None:
    assert f"{name!r}. Did you mean {meant!r}? Known: " in refusal(Spec, **{field: name})


# --- shift ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("pixels", "shape"), [(0, (1, 8, 8)), (1, (3, 5, 9)), (2, (1, 9, 3)), (4, (2, 8, 5))])
def test_shift_moves_by_each_offset_once_and_lets_zeros_in(pixels: int, shape: tuple[int, int, int]) -> None:
    images = noise(4, shape)
    views = make_views(f"shift:pixels={pixels}", images)
    index, view = every(views, images)
    inputs = views.show(index, view).unflatten(0, (4, views.count)).numpy()
    offsets = list(product(range(-pixels, pixels + 1), repeat=2))
    assert views.count == len(offsets)
    height, width = shape[1:]

    def moved(down: int, right: int) -> np.ndarray:
        result = np.zeros_like(images.numpy())
        for row, column in product(range(height), range(width)):
            if 0 <= row - down < height and 0 <= column - right < width:
                result[..., row, column] = images.numpy()[..., row - down, column - right]
        return result

    # One view is one offset for all images.
    assert sorted(inputs[:, at].tobytes() for at in range(views.count)) == sorted(
        moved(*offset).tobytes() for offset in offsets
    )
    assert np.array_equal(inputs[:, 0], images.numpy())


def test_shift_on_digits_keeps_their_ink_but_what_leaves(digits: Dataset) -> None:
    images = digits.train.images[:200]
    inked = shown(make_views("shift:pixels=1", images), images).sum((2, 3, 4))
    assert (inked <= inked[:, :1] + 1e-4).all()
    assert (inked < inked[:, :1] - 0.1).any()


# --- flip -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(3, 5, 9), (2, 4, 1)], ids=str)
def test_flip_shows_the_image_and_its_mirror_image(shape: tuple[int, int, int]) -> None:
    images = noise(6, shape)
    views = make_views("flip", images)
    assert views.count == 2
    both = views.show(*every(views, images)).unflatten(0, (6, 2))
    assert both.dtype == torch.uint8
    assert np.array_equal(both[:, 0].numpy(), images.numpy())
    assert np.array_equal(both[:, 1].numpy(), images.numpy()[..., ::-1])  # left and right alone
    # A batch of both kinds, an image twice in it.
    mixed = views.show(torch.tensor([3, 0, 3]), torch.tensor([1, 0, 0]))
    assert rows(mixed) == [rows(both[3])[1], rows(both[0])[0], rows(both[3])[0]]
    assert len(views.show(torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64))) == 0


# --- affine -----------------------------------------------------------------------------------------------------------


def draws(examples: int, count: int) -> np.ndarray:
    """What each view is moved by, in -1 to 1 of what its knobs allow: turn, growth, right, down."""
    drawn = torch.rand(examples, count, 4, generator=torch.Generator().manual_seed(0)) * 2 - 1
    drawn[:, 0] = 0
    return drawn.double().numpy()


@pytest.mark.parametrize(
    ("degrees", "scale", "pixels"), [(35, 0, 0), (180, 0, 0), (0, 0.6, 0), (0, 0, 3), (90, 0.3, 5), (10, 0.1, 2)]
)
def test_affine_is_scipys(degrees: float, scale: float, pixels: int) -> None:
    for shape in ((1, 16, 16), (3, 11, 20), (1, 24, 9)):
        images = noise(5, shape)
        views = make_views(f"affine:views=4:degrees={degrees}:scale={scale}:pixels={pixels}", images)
        ours = shown(views, images).numpy() * 255
        centre = (np.array(shape[1:]) - 1) / 2
        for (image, view), (turn, growth, right, down) in zip(
            np.ndindex(5, 4), draws(5, 4).reshape(-1, 4), strict=True
        ):
            angle = np.deg2rad(turn * degrees)
            # In rows and columns, counter-clockwise to the eye; turned and scaled about the middle, and then moved.
            forward = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) * (1 + growth * scale)
            back = np.linalg.inv(forward)
            offset = centre - back @ (centre + np.array([down, right]) * pixels)
            for channel in range(shape[0]):
                plane = images[image, channel].double().numpy()
                theirs = affine_transform(plane, back, offset, order=1, mode="grid-constant", cval=0)
                half_a_level = 0.51
                np.testing.assert_allclose(ours[image, view, channel], theirs, rtol=0, atol=half_a_level)


def spots(options: str, row: float, column: float, examples: int = 150) -> np.ndarray:
    """Where a spot `row` and `column` pixels from the middle of a long image comes to lie, (views, 2)."""
    rows, columns = np.mgrid[-25:26, -35:36]
    spot = 255 * np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / 8)
    images = torch.from_numpy(spot.round().astype(np.uint8)).expand(examples, 1, -1, -1).contiguous()
    views = make_views(f"affine:views=3:{options}", images)
    weights = shown(views, images).double().numpy()[:, 1:].reshape(-1, 51, 71)
    total = weights.sum((1, 2))
    return np.stack([(weights * rows).sum((1, 2)) / total, (weights * columns).sum((1, 2)) / total], 1)


def test_affine_turns_by_up_to_so_many_degrees_both_ways() -> None:
    row, column = spots("degrees=50:scale=0:pixels=0", 0, 15).T
    angles = np.rad2deg(np.arctan2(row, column))
    assert -50.2 < angles.min() < -45
    assert 45 < angles.max() < 50.2
    assert np.hypot(row, column) == pytest.approx(15, abs=0.1)


def test_affine_grows_and_shrinks_by_up_to_its_share() -> None:
    row, column = spots("degrees=0:scale=0.4:pixels=0", 0, 15).T
    assert 0.595 < column.min() / 15 < 0.65
    assert 1.35 < column.max() / 15 < 1.405
    assert row == pytest.approx(0, abs=0.05)


@pytest.mark.parametrize("others", ["degrees=0:scale=0", "degrees=180:scale=0.6"])
def test_affine_moves_by_up_to_so_many_pixels_whatever_else_it_does(others: str) -> None:
    for along in spots(f"{others}:pixels=6", 0, 0).T:
        assert -6.1 < along.min() < -5.5
        assert 5.5 < along.max() < 6.1
        assert abs(along.mean()) < 0.7


def test_affine_draws_for_each_image_and_view_the_same_for_every_seed() -> None:
    images = noise(2, (1, 16, 16))[1:].repeat(8, 1, 1, 1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        first = shown(make_views(STRONG, images), images)
        state = torch.get_rng_state()
        torch.manual_seed(2)
        assert torch.equal(shown(make_views(STRONG, images), images), first)
        torch.manual_seed(1)
        assert torch.equal(torch.get_rng_state(), state)  # the caller's random numbers are left alone
    assert len(set(rows(first[:, 1:].flatten(0, 1)))) == 8 * 6


# --- batches ----------------------------------------------------------------------------------------------------------

IMAGES = noise(40, (1, 8, 8))
SPLIT = Split(IMAGES, torch.arange(40))  # a label says which image it is


class Linear(nn.Module):
    """A teacher whose logits tell every view of every image apart; keeps what it is asked, and in which state."""

    def __init__(self, pixels: int = 64, classes: int = 10) -> None:
        super().__init__()
        self.drop = nn.Dropout(0.5)
        with seeded(torch.device("cpu"), 0, "linear"):
            self.linear = nn.Linear(pixels, classes)
        self.asked: list[Tensor] = []
        self.states: set[tuple[bool, bool]] = set()

    def forward(self, inputs: Tensor) -> Tensor:
        self.asked.append(inputs.detach().clone())
        self.states.add((self.training, torch.is_grad_enabled()))
        # Unlike Flatten, this cannot do with an empty batch.
        logits: Tensor = self.linear(self.drop(inputs.float().view(len(inputs), -1)))
        return logits

    @property
    def count(self) -> int:
        return sum(map(len, self.asked))


Batch = tuple[Tensor, Tensor, Tensor | None]


def draw(
    steps: int, name: str = "shift:pixels=1", mode: str = "consistent", seed: int = 0, batch_size: int = 5,
    phase: str = "student", teacher: nn.Module | None = None, examples: Tensor | None = None, **fields: Any,
) -> list[Batch]:  # fmt: skip
    """The first batches; of 30 images in no order unless `examples` says otherwise."""
    views = make_views(name, IMAGES)
    answers = TeacherLogitCache(teacher, views, len(SPLIT), 10, FLOAT32, CPU) if teacher else None
    if examples is None:
        examples = transfer_set(SPLIT, 30, 7)
    spec = Spec(augmentation=name, teaching=mode, seed=seed, **fields)
    return list(islice(batches(SPLIT, examples, views, spec, batch_size, phase, FLOAT32, answers), steps))


def view_numbers(name: str, inputs: Tensor, labels: Tensor) -> list[int]:
    """Which view of its image each of the inputs is."""
    views = make_views(name, IMAGES)
    known = [rows(own) for own in shown(views, IMAGES)]
    return [known[label].index(row) for row, label in zip(rows(inputs), labels.tolist(), strict=True)]


@pytest.mark.parametrize("mode", TEACHER_VIEWS)
@pytest.mark.parametrize("name", ["none", "shift:pixels=1", "affine:views=5:scale=0.3"])
def test_each_view_is_shown_once_in_as_many_epochs_as_there_are_views(name: str, mode: str) -> None:
    count = make_views(name, IMAGES).count
    seen: Counter[tuple[int, int]] = Counter()
    chosen = set(transfer_set(SPLIT, 30, 7).tolist())
    found = draw(6 * count, name, mode)
    for epoch in range(count):
        inputs, labels = (torch.cat(part) for part in list(zip(*found[6 * epoch : 6 * epoch + 6], strict=True))[:2])
        assert sorted(labels.tolist()) == sorted(chosen)
        numbers = view_numbers(name, inputs, labels)
        if count > 1:
            assert len(set(numbers)) > 1  # not all images are moved alike
        seen.update(zip(labels.tolist(), numbers, strict=True))
    assert set(seen) == set(product(chosen, range(count)))
    assert set(seen.values()) == {1}


def test_the_last_partial_batch_is_left_for_another_shuffle() -> None:
    found = draw(4 * 20, batch_size=7)
    epochs = [torch.cat([labels for _, labels, _ in found[at : at + 4]]).tolist() for at in range(0, 80, 4)]
    left: Counter[int] = Counter()
    for labels in epochs:
        assert len(set(labels)) == len(labels) == 28
        left.update(set(transfer_set(SPLIT, 30, 7).tolist()) - set(labels))
    assert sum(left.values()) == 40
    assert len(left) > 15  # not the same images each time
    assert epochs[0] != epochs[1]


def test_the_teachers_logits_are_those_of_what_the_way_of_teaching_says() -> None:
    name, teacher = "shift:pixels=1", Linear()
    views = make_views(name, IMAGES)
    with evaluating(teacher):
        told = torch.stack([teacher(own) for own in shown(views, IMAGES)])  # (images, views, classes)
    numbers: dict[str, list[tuple[int, int]]] = {}
    for mode in TEACHER_VIEWS:
        numbers[mode] = []
        for inputs, labels, guide in draw(60, name, mode, teacher=Linear()):
            assert guide is not None
            assert guide.dtype == FLOAT32
            distance = (told[labels] - guide[:, None]).abs().amax(-1)
            assert (distance.amin(1) < 1e-3).all()
            assert (distance.sort(1).values[:, 1] > 1e-2).all()
            numbers[mode] += zip(view_numbers(name, inputs, labels), distance.argmin(1).tolist(), strict=True)
    students = [[mine for mine, _ in pairs] for pairs in numbers.values()]
    assert students[0] == students[1] == students[2]
    assert all(mine == asked for mine, asked in numbers["consistent"])
    assert all(asked == 0 for _, asked in numbers["fixed"])
    # 300 pairs of 9 views each: one in nine meets by chance, and every pair of views comes up.
    assert 15 < sum(mine == asked for mine, asked in numbers["independent"]) < 55
    assert len(set(numbers["independent"])) > 70


def test_the_same_seed_gives_the_same_batches_and_another_seed_or_phase_others() -> None:
    def text(**options: Any) -> list[list[Any]]:
        teacher = Linear()
        found = draw(12, mode="independent", teacher=teacher, **options)
        return [[part.tolist() for part in batch if part is not None] for batch in found]

    with torch.random.fork_rng(devices=[]):
        first = text()
        torch.manual_seed(3)
        assert text() == first
    others = [text(seed=1), text(phase="teacher"), text(batch_seed=1)]
    for other in others:
        assert [batch[1] for batch in other] != [batch[1] for batch in first]
        assert [batch[0] for batch in other] != [batch[0] for batch in first]
    assert text(batch_seed=0, seed=5) == first
    assert text(seed=1) == others[2]


def test_views_move_neither_the_shuffle_nor_the_images_that_are_chosen() -> None:
    examples = transfer_set(SPLIT, 30, 7)
    plain = draw(12, "none")
    shuffle = generator(0, "student", "shuffle")
    for epoch in range(2):
        order = examples[torch.randperm(30, generator=shuffle)].split(5)
        for (inputs, labels, guide), index in zip(plain[6 * epoch : 6 * epoch + 6], order, strict=True):
            assert torch.equal(labels, index)
            assert torch.equal(inputs, SPLIT.inputs(index))
            assert guide is None
    for name, mode in product(NAMES, TEACHER_VIEWS):
        for (_, labels, _), (_, expected, _) in zip(draw(12, name, mode), plain, strict=True):
            assert torch.equal(labels, expected)


def test_the_teacher_is_asked_a_little_ahead_so_that_a_run_can_be_stopped() -> None:
    teacher = Linear()
    draw(1, teacher=teacher, batch_size=1)
    assert teacher.count == PREFETCH_BATCHES
    draw(PREFETCH_BATCHES + 1, teacher=(later := Linear()), batch_size=1)
    assert later.count == 2 * PREFETCH_BATCHES


# --- the teacher's answers --------------------------------------------------------------------------------------------


def perceptron(width: int = 32, pixels: int = 64) -> nn.Module:
    with seeded(torch.device("cpu"), 0, "perceptron"):
        return models.build(f"mlp:{width}x2:dropout=0.5", (1, 1, pixels), 10)


def convolutions() -> nn.Module:
    with seeded(torch.device("cpu"), 0, "convolutions"):
        return models.build("cnn:width=3", (1, 8, 8), 10)


def frozen() -> nn.Module:
    return perceptron().requires_grad_(False)


def truth(teacher: nn.Module, views: Views, index: Tensor, view: Tensor) -> Tensor:
    with evaluating(teacher):
        logits: Tensor = teacher(views.inputs(index, view))
    return logits


@pytest.mark.parametrize("make", [perceptron, convolutions, Linear, frozen])
def test_answers_are_the_teachers_logits_of_that_very_view(make: Callable[[], nn.Module]) -> None:
    for name, training in product(NAMES, (True, False)):
        case = f"{name}, {training=}"
        teacher, views = make().train(training), make_views(name, IMAGES)
        before = deepcopy(teacher.state_dict())
        answers = TeacherLogitCache(teacher, views, len(IMAGES), 10, FLOAT32, CPU)
        index, view = every(views, IMAGES)
        mixed = torch.randperm(len(index), generator=torch.Generator().manual_seed(0))
        # In parts that overlap, and out of order.
        for part in (mixed[: len(mixed) // 2], mixed[len(mixed) // 4 :], mixed, mixed[:0]):
            answers.prepare(index[part], view[part])
        expected = truth(teacher, views, index, view)
        bound = 1e-5 if views.count == 1 else 2**-11  # half of the last digit of float16
        for part in (torch.arange(len(index)), mixed, mixed[:3], mixed[:1].repeat(4)):
            told = answers(index[part], view[part])
            assert told.dtype == FLOAT32, case
            assert not told.requires_grad, case
            torch.testing.assert_close(told, expected[part], rtol=bound, atol=1e-5, msg=case)
        assert all(part.training is training for part in teacher.modules()), case
        assert all(torch.equal(before[key], value) for key, value in teacher.state_dict().items()), case
        assert all(parameter.grad is None for parameter in teacher.parameters()), case
        assert torch.is_grad_enabled(), case


def test_the_teacher_is_asked_once_for_each_view_and_only_to_look() -> None:
    for name in NAMES:
        teacher, views = Linear().train(), make_views(name, IMAGES)
        answers = TeacherLogitCache(teacher, views, len(IMAGES), 10, FLOAT32, CPU)
        assert teacher.count == 0, name
        index, view = every(views, IMAGES)
        mixed = torch.randperm(len(index), generator=torch.Generator().manual_seed(0))
        half = mixed[: len(mixed) // 2]
        answers.prepare(index[half], view[half])
        assert sorted(rows(torch.cat(teacher.asked))) == sorted(rows(views.inputs(index[half], view[half]))), name
        for part in (half, mixed, mixed, index[:0]):
            answers.prepare(index[part], view[part])
            answers(index[half], view[half])
        assert sorted(rows(torch.cat(teacher.asked))) == sorted(rows(views.inputs(index, view))), name
        assert teacher.states == {(False, False)}, name


def test_a_teacher_in_bfloat16_answers_as_in_float32_within_a_hundredth_of_a_logits_spread() -> None:
    images = noise(300, (1, 28, 28))
    teacher, views = perceptron(256, 784), make_views("shift:pixels=1", images)
    index, view = every(views, images)
    exact, rounded = (TeacherLogitCache(teacher, views, 300, 10, dtype, CPU) for dtype in (FLOAT32, BFLOAT16))
    for answers in (exact, rounded):
        answers.prepare(index, view)
    expected = exact(index, view)
    distance = (rounded(index, view) - expected) / expected.std()
    assert 0 < distance.square().mean().sqrt() < 0.01
    assert distance.abs().max() < 0.05


class Loud(nn.Module):
    """A teacher surer than float16 can say."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([1e6, -1e6, 7e4, 60_000.0, 1.0, 1e-3, 0.0, -3.0, 2.0, 65504.0]))

    def forward(self, inputs: Tensor) -> Tensor:
        return self.weight.expand(len(inputs), -1)


def test_logits_beyond_float16_stay_finite_and_in_their_order() -> None:
    index, view = torch.arange(40), torch.zeros(40, dtype=torch.int64)
    teacher = Loud()
    for name, most in (("shift:pixels=1", 65504.0), ("none", 1e6)):
        answers = TeacherLogitCache(teacher, make_views(name, IMAGES), 40, 10, FLOAT32, CPU)
        answers.prepare(index, view)
        told = answers(index, view)
        torch.testing.assert_close(told, teacher(index).detach().clamp(-most, most), rtol=2**-11, atol=1e-6)
        assert told.isfinite().all()


def test_more_answers_than_memory_should_hold_are_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def show(index: Tensor, view: Tensor) -> Tensor:
        raise AssertionError

    # Far more than any machine has, so that it would fail to be allocated.
    assert refusal(TeacherLogitCache, Linear(), Views(1_000_000, show), 1_000_000_000, 100, FLOAT32, CPU) == (
        "The teacher's logits of 1,000,000 views of 1,000,000,000 images would fill 200000000.0 GB: choose fewer views."
    )
    monkeypatch.setattr(answers_module, "MAX_BYTES", 1294 * 9 * 10 * 2)
    options = {"epochs": 1, "transfer_size": 50, "batch_size": 50}
    distill("digits", Linear(), "mlp:4x1", augmentation="shift:pixels=1", **options)
    teacher = Linear()
    spec = Spec(teacher="module:Linear", student="mlp:4x1", augmentation="shift:pixels=2", **options)
    seen: list[object] = []
    with pytest.raises(InputError, match="25 views of 1,294 images would fill"):
        seen.extend(distill_events(spec, teacher=teacher))
    assert not any(isinstance(event, Phase | Step) for event in seen)


def test_large_images_are_shown_to_the_teacher_a_few_at_a_time() -> None:
    images = torch.zeros(200, 3, 64, 64, dtype=torch.uint8)
    teacher = Linear(3 * 64 * 64)
    answers = TeacherLogitCache(teacher, make_views("shift:pixels=1", images), 200, 10, FLOAT32, CPU)
    answers.prepare(torch.arange(200), torch.arange(200) % 9)
    assert teacher.count == 200
    assert max(map(len, teacher.asked)) == CHUNK // (3 * 64 * 64)


# --- runs: who sees what ----------------------------------------------------------------------------------------------


class Recorder(nn.Module):
    """Keeps every batch that passes: in training mode, and in evaluation mode."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner
        self.seen: list[Tensor] = []
        self.looked: list[Tensor] = []

    def forward(self, inputs: Tensor) -> Tensor:
        (self.seen if self.training else self.looked).append(inputs.detach().clone())
        logits: Tensor = self.inner(inputs)
        return logits


OPTIONS: dict[str, Any] = {"transfer_size": 100, "batch_size": 25, "epochs": 3, "learning_rate": 1e-2}


def moved_rows(data: Dataset, name: str) -> set[bytes]:
    """All views of all training images."""
    return set(rows(shown(make_views(name, data.train.images), data.train.images).flatten(0, 1)))


def unmoved(*splits: Split) -> set[bytes]:
    return {row for split in splits for row in rows(split.images)}


@pytest.mark.parametrize("name", ["shift:pixels=1", "affine:views=6:degrees=20"])
@pytest.mark.parametrize("mode", TEACHER_VIEWS)
def test_what_teacher_student_and_baseline_are_shown(
    mode: str, name: str, digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    teacher = Recorder(perceptron())
    told: list[Tensor] = []

    def spy(logits: Tensor, guide: Tensor, labels: Tensor, **knobs: float) -> dict[str, Part]:
        if len(logits) == 25:  # not when it is asked whether all weights are 0
            told.append(guide.clone())
        return hinton(logits, guide, labels, **knobs)

    monkeypatch.setitem(LOSSES._entries, "spy", Entry("spy", "Spy", "", spy, LOSSES["hinton"].knobs))
    run = distill("digits", teacher, Recorder(perceptron(8)), loss="spy", augmentation=name, teaching=mode, **OPTIONS)
    student = run.student
    assert isinstance(student, Recorder)
    assert isinstance(run.baseline, Recorder)
    assert len(student.seen) == len(told) == 12
    assert all(map(torch.equal, student.seen, run.baseline.seen))

    chosen = transfer_set(digits.train, 100, 0)
    own = shown(make_views(name, digits.train.images), digits.train.images)[chosen]
    plain, views = set(rows(own[:, 0])), set(rows(own.flatten(0, 1)))
    held_out = unmoved(digits.test, digits.validation)
    mine = set(rows(torch.cat(student.seen)))
    assert mine <= views
    assert len(mine - plain) > 100
    for network in (student, run.baseline):
        looked = set(rows(torch.cat(network.looked)))
        assert held_out <= looked <= held_out | unmoved(digits.train)

    assert not teacher.seen
    asked = Counter(rows(torch.cat(teacher.looked)))
    answered = Counter({row: times for row, times in asked.items() if row not in held_out})
    assert held_out <= set(asked)
    for row in rows(sample_inputs(digits)):  # on which it was tried
        del answered[row]
        mine.discard(row)
        plain.discard(row)
    assert max(answered.values()) == 1
    with evaluating(teacher.inner):
        same = [
            torch.isclose(guide, teacher.inner(inputs), rtol=1e-3, atol=1e-3).all(1)
            for guide, inputs in zip(told, student.seen, strict=True)
        ]
    agreeing = torch.cat(same).float().mean()
    if mode == "consistent":
        assert set(answered) == mine
        assert agreeing == 1
    elif mode == "fixed":
        assert set(answered) == plain
        assert 0 < agreeing < 0.5
    else:
        assert set(answered) <= views
        assert set(answered) - mine
        assert mine - set(answered)
        assert 0 < agreeing < 0.5


def trace(spec: Spec, teacher: nn.Module | None = None, student: nn.Module | None = None) -> list[Any]:
    """The losses and logits of a run."""
    found: list[Any] = []
    for event in distill_events(spec, teacher=teacher, student=student):
        if isinstance(event, Step):
            found.append((event.phase, event.step, event.losses))
        elif isinstance(event, Probe):
            found.append((event.phase, event.step, {name: one.tobytes() for name, one in event.logits.items()}))
    return found


RUN = Spec(teacher="mlp:16x1:dropout=0.2", student="mlp:8x1:dropout=0.2", teacher_epochs=1, **OPTIONS)


def test_without_augmentation_all_ways_of_teaching_are_one_run_and_with_it_they_are_not() -> None:
    for name, runs in (("none", 1), ("shift:pixels=0", 1), ("shift:pixels=1", 3)):
        traces = [trace(RUN.replace(augmentation=name, teaching=mode)) for mode in TEACHER_VIEWS]
        assert sum(one not in traces[:at] for at, one in enumerate(traces)) == runs
        assert trace(RUN.replace(augmentation=name, teaching="independent")) in traces


def test_a_stacked_student_sees_what_its_baseline_sees() -> None:
    hard = RUN.replace(augmentation=STRONG, knobs={"soft_weight": 0.0, "hard_weight": 1.0})
    events = [event for event in distill_events(hard) if isinstance(event, Step) and event.phase == "student"]
    assert len(events) == 12
    for event in events:
        assert event.losses["student"]["hard"] == event.losses["baseline"]["hard"]


def test_a_teachers_own_augmentation_moves_its_training_images_alone(digits: Dataset) -> None:
    name = "shift:pixels=1"
    plain, views = unmoved(digits.train), moved_rows(digits, name)
    moved: Any = fit("digits", Recorder(perceptron()), epochs=2, batch_size=100, augmentation=name)
    still: Any = fit("digits", Recorder(perceptron()), epochs=2, batch_size=100)
    seen = set(rows(torch.cat(moved.seen)))
    assert seen <= views
    assert len(seen - plain) > 1000
    assert set(rows(torch.cat(still.seen))) <= plain
    looked = set(rows(torch.cat(moved.looked)))
    assert unmoved(digits.validation) <= looked <= unmoved(digits.validation, digits.train)
    student: Any = distill("digits", moved, Recorder(perceptron(8)), teacher_augmentation=name, **OPTIONS).student
    assert set(rows(torch.cat(student.seen))) <= plain


class Log:
    """What all copies of a named teacher were shown: (in training, inputs)."""

    def __init__(self) -> None:
        self.calls: list[tuple[bool, Tensor]] = []

    def __deepcopy__(self, memo: object) -> "Log":
        return self

    def take(self, training: bool) -> list[bytes]:
        return [row for mode, inputs in self.calls if mode is training for row in rows(inputs)]


class Logged(nn.Module):
    def __init__(self, log: Log) -> None:
        super().__init__()
        self.log, self.inner = log, perceptron()

    def forward(self, inputs: Tensor) -> Tensor:
        self.log.calls.append((self.training, inputs.detach().clone()))
        logits: Tensor = self.inner(inputs)
        return logits


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Log:
    log = Log()
    entry = Entry("logged", "Logged", "", lambda argument, shape, classes: Logged(log))
    monkeypatch.setitem(MODELS._entries, "logged", entry)
    return log


def test_a_kept_teacher_keeps_its_answers_and_a_moved_one_is_trained_anew(log: Log, digits: Dataset) -> None:
    spec = RUN.replace(teacher="logged", augmentation="shift:pixels=1", teacher_augmentation="shift:pixels=1")
    test, plain = unmoved(digits.test), unmoved(digits.train)
    held_out = test | unmoved(digits.validation)
    first = trace(spec)
    learnt = log.take(training=True)
    assert len(set(learnt) - plain) > 500
    assert len(set(log.take(training=False)) - held_out - plain) > 100

    log.calls.clear()
    warmer = trace(spec.replace(knobs={"temperature": 9.0}))
    assert warmer != first
    assert log.take(training=True) == []
    assert set(log.take(training=False)) == test  # for its result alone

    log.calls.clear()
    assert trace(spec) == first
    assert set(log.take(training=False)) == test

    log.calls.clear()
    other = trace(spec.replace(teacher_augmentation="none"))
    assert set(log.take(training=True)) <= plain
    assert len(log.take(training=True)) == len(learnt)
    assert other != first


def test_a_kept_teacher_answers_another_augmentation_anew(log: Log) -> None:
    spec = RUN.replace(teacher="logged", augmentation="shift:pixels=1")
    runs = {}
    for name in ("shift:pixels=1", "affine:views=3", "none", "shift:pixels=1"):
        now = trace(spec.replace(augmentation=name))
        assert runs.setdefault(name, now) == now
    teacher_training._last_teacher = None
    assert trace(spec.replace(augmentation="affine:views=3")) == runs["affine:views=3"]


class Normed(nn.Module):
    """A build of nobody's: a residual network with batch normalisation, two heads and a state of its own."""

    def __init__(self) -> None:
        super().__init__()
        with seeded(torch.device("cpu"), 0, "normed"):
            self.body = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU())
            self.heads = nn.ModuleList([nn.Linear(4 * 64, 10), nn.Linear(4 * 64, 10)])
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, inputs: Tensor) -> Tensor:
        if self.training:
            self.calls += 1
        hidden = (self.body(inputs) + inputs).reshape(inputs.shape[0], -1)
        logits: Tensor = self.heads[0](hidden) + self.heads[1](hidden)
        return logits


@pytest.mark.parametrize(
    ("make", "mode", "name"),
    [
        # Every network with both kinds of views, and in every way of teaching but one.
        (Normed, "consistent", "shift:pixels=2"),
        (Normed, "independent", "affine:views=2"),
        (Linear, "fixed", "shift:pixels=2"),
        (Linear, "consistent", "affine:views=2"),
        (frozen, "independent", "shift:pixels=2"),
        (frozen, "fixed", "affine:views=2"),
        (convolutions, "fixed", "affine:views=2"),
        (convolutions, "independent", "shift:pixels=2"),
    ],
)
def test_a_module_of_any_build_teaches_and_learns(make: Callable[[], nn.Module], mode: str, name: str) -> None:
    teacher = make().train()
    before = deepcopy(teacher.state_dict())
    student = Normed()
    start = deepcopy(student)
    # With two views and three epochs nothing is left to ask in the last.
    run = distill("digits", teacher, student, augmentation=name, teaching=mode, **OPTIONS)
    assert isinstance(run.student, Normed)
    assert (run.student.calls, student.calls) == (12, 0)
    assert all(torch.equal(before[key], value) for key, value in teacher.state_dict().items())
    assert all(part.training for part in teacher.modules())
    for network in ("student", "baseline"):
        last = getattr(run, network)
        logits = torch.from_numpy(run.history.logits[network])
        torch.testing.assert_close(logits, predict(last, load("digits").validation))
        assert logits.isfinite().all()
        assert not any(map(torch.equal, last.parameters(), start.parameters()))
    assert not np.array_equal(run.history.logits["student"], run.history.logits["baseline"])


# --- the command line -------------------------------------------------------------------------------------------------

COMMAND = ["distill", "--dataset", "digits", "--teacher", "mlp:16x1", "--student", "mlp:8x1", "--teacher-epochs", "2"]
MOVED = ["--augmentation", "shift:pixels=1", "--teaching", "fixed", "--teacher-augmentation", "affine:views=3"]


@pytest.mark.process
def test_the_command_line_takes_augmentation_and_way_of_teaching(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    result = CliRunner().invoke(main, [*COMMAND, "--epochs", "2", *MOVED, "--json", "--out", str(folder)])
    assert result.exit_code == 0, result.output
    printed = json.loads(result.stdout)
    assert json.loads((folder / "result.json").read_text()) == printed
    spec = Spec.from_json(json.dumps(printed["spec"]))
    assert (spec.augmentation, spec.teaching) == ("shift:pixels=1", "fixed")
    assert spec.teacher_augmentation == "affine:views=3"
    teacher_training._last_teacher = None
    logits = [values["student"] for phase, _, values in trace(spec) if phase == "student" and "student" in values]
    run = distill("digits", "mlp:16x1", "mlp:8x1", **{
        key: getattr(spec, key) for key in (
            "augmentation", "teaching", "teacher_augmentation", "epochs", "teacher_epochs", "batch_size",
            "learning_rate",
        )
    })  # fmt: skip
    assert run.history.logits["student"].tobytes() == logits[-1]
    assert run.result["student"] == printed["student"]
    assert run.result["baseline"] == printed["baseline"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--augmentation", "shfit"], "Did you mean 'shift'?"),
        (["--augmentation", "shift:pixels=99"], "cannot take 'pixels=99'"),
        (["--teacher-augmentation", "affine:views=0"], "cannot take 'views=0'"),
        (["--teaching", "fixd"], "Did you mean 'fixed'?"),
    ],
)
def test_the_command_line_refuses_in_one_sentence(options: list[str], expected: str) -> None:
    result = CliRunner().invoke(main, [*COMMAND, *options, "--json"])
    assert expected in command_refusal(result)

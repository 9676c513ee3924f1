"""Files of one's own: logits and pictures in the temperature lab, and a teacher on the page "Distil"."""

import io
import json
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from dashboard import Dashboard
from PIL import Image
from playwright.sync_api import Browser, FilePayload, expect
from servers import Server
from temperature import TemperatureLab
from windows import DESKTOP, open_window

from kdlab.cli import main
from kdlab.datasets.mnist_pixels import mnist_validation_images
from kdlab.io.predictions import Predictions

CSV = b"label,teacher:cat,teacher:<b>dog</b>,student:cat,student:<b>dog</b>\ncat,4,1,2,1\n1,-1,2,0,0.5\n"
DROP = """([name, text, place = ".kd-lab"]) => {
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([Uint8Array.from(text, (letter) => letter.charCodeAt(0))], name));
  const target = document.querySelector(place);
  for (const type of ["dragover", "drop"])
    target.dispatchEvent(new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true }));
}"""
SEEN = """() => {
  const { data } = document.querySelector(".kd-pad-preview-image").getContext("2d").getImageData(0, 0, 28, 28);
  return Array.from({ length: 784 }, (_, at) => data[4 * at]);
}"""
needs_mnist = pytest.mark.skipif(mnist_validation_images() is None, reason="KDLAB_DATA has no MNIST")


def choose(lab: TemperatureLab, name: str, content: bytes, within: str = ".kd-tools") -> None:
    file: FilePayload = {"name": name, "mimeType": _mime(name), "buffer": content}
    lab.page.locator(f"{within} input[type=file]").set_input_files(file)


def _mime(name: str) -> str:
    return {"png": "image/png", "jpg": "image/jpeg"}.get(Path(name).suffix[1:], "application/octet-stream")


def png(pixels: np.ndarray, **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", **options)
    return file.getvalue()


def of_several_pieces(folder: Path) -> bytes:
    """Return an NPZ of one's own logits that is sent in three pieces."""
    rng = np.random.default_rng(0)
    labels, images = rng.integers(5, size=20_000), rng.integers(256, size=(20_000, 1, 8, 8), dtype=np.uint8)
    teacher, student = (rng.normal(size=(20_000, 5)).astype(np.float32) for _ in range(2))
    mine = Predictions(
        "any", "My networks", tuple("abcde"), labels, {"teacher": teacher, "student": student}, (), images
    )
    mine.save(folder / "My own.npz")
    content = (folder / "My own.npz").read_bytes()
    assert len(content) > 2_000_000
    return content


def test_a_file_of_several_pieces_joins_the_menu(lab: TemperatureLab, tmp_path: Path) -> None:
    choose(lab, "My own.npz", of_several_pieces(tmp_path))
    expect(lab.menu).to_have_value("my-own")
    expect(lab.caption).to_contain_text("of 20,000, true class")
    expect(lab.alarm).to_be_hidden()
    lab.settle()
    assert lab.texts(".kd-tools select option")[-1] == "My networks"
    # And another that is dropped.
    lab.page.evaluate(DROP, ["my own.csv", CSV.decode().replace("\n1,", "\n<b>dog</b>,")])
    expect(lab.menu).to_have_value("my-own-2")
    assert "<b>dog</b>" in lab.sentence.text_content()  # as text: no markup came of it
    assert not lab.page.locator(".kd-lab b").count()


def test_a_bad_file_gets_a_sentence_and_the_page_goes_on(lab: TemperatureLab) -> None:
    before = lab.state()
    for name, content, words in (
        ("a.txt", b"x", "a.txt is neither an NPZ nor a CSV file: save your logits as one of them."),
        ("empty.npz", b"", "empty.npz is empty: choose another file."),
        (
            "large.npz",
            bytes(8_000_001),
            "large.npz has 8,000,001 bytes, and 8,000,000 are the most that can be opened here",
        ),
        ("broken.npz", b"PK\x03\x04" + bytes(1_500_000), "broken.npz is damaged, or no NPZ file"),
        ("mixed.csv", CSV, 'The label "cat" in mixed.csv is no class'),
    ):
        choose(lab, name, content)
        expect(lab.alarm).to_contain_text(words)
    assert lab.state() == before
    assert lab.turn("ArrowRight") > 4
    expect(lab.alarm).to_be_hidden()


@needs_mnist
def test_a_picture_is_read_as_a_drawing_is(lab: TemperatureLab) -> None:
    lab.choose_source("drawn")
    told = lab.page.locator(".kd-pad-message")
    mnist = Predictions.load(files("kdlab.assets") / "temperature" / "mnist.npz")
    digit = mnist_validation_images()[mnist.logits["teacher"][:, 7].argmax(), 0]
    ways = {
        "dark.png": (png(digit), "light on dark, as"),
        "light.png": (png(255 - np.kron(np.pad(digit, 9), np.ones((9, 9), np.uint8))), "turned over"),
    }
    for name, (content, words) in ways.items():
        choose(lab, name, content, ".kd-pad")
        expect(told).to_contain_text(words)
        lab.settle()
        seen = np.array(lab.page.evaluate(SEEN)).reshape(28, 28)
        assert np.abs(seen - digit.astype(int)).mean() < 12, name
        assert "of this drawing is 7: " in lab.sentence.text_content()
    lab.page.get_by_role("button", name="Clear").click()
    expect(lab.sentence).to_contain_text("the empty pad")
    expect(told).to_be_empty()
    for name, content, words in (
        ("plain.png", png(np.full((30, 30), 90, np.uint8)), "plain.png shows no digit"),
        ("cut.png", png(digit)[:60], "cut.png cannot be read as a picture"),
        ("a.svg", b"<svg/>", "a.svg is no PNG"),
    ):
        choose(lab, name, content, ".kd-pad")
        expect(told).to_contain_text(words)


def test_the_exported_file_opens_no_logits(lab: TemperatureLab, chromium: Browser, tmp_path: Path) -> None:
    with lab.page.expect_download() as download:
        lab.page.get_by_role("button", name="Export").click()
    download.value.save_as(tmp_path / "lab.html")

    class File:
        kind = "file"

        def page(self, name: str) -> str:
            return (tmp_path / "lab.html").as_uri()

    alone = open_window(chromium, File(), DESKTOP, TemperatureLab)
    alone.open()
    assert alone.page.get_by_role("button", name="Open a file …").count() == 0
    assert alone.page.locator("input[type=file]").count() == 1  # the pad's, which needs no kernel
    assert not alone.problems
    alone.page.context.close()


def test_a_teacher_of_ones_own_is_not_trained(
    lend: Callable[..., Dashboard], serve: Callable[[str], Server], tmp_path: Path
) -> None:
    names = ["--teacher", "mlp:16x1", "--student", "mlp:8x1", "--teacher-epochs", "30", "--epochs", "1"]
    done = CliRunner().invoke(main, ["distill", *names, "--out", str(tmp_path / "run")])
    assert done.exit_code == 0, done.output
    saved = json.loads((tmp_path / "run" / "result.json").read_text())["validation"]["teacher"]["errors"]
    file = tmp_path / "run" / "teacher.safetensors"

    dashboard = lend(serve("voila"))
    dashboard.open()
    page = dashboard.page
    field = page.locator(".kd-weights")
    alarm, shown, away = field.locator(".kd-error"), field.locator(".kd-file"), field.get_by_role("button", name="Let")
    # What is refused in the browser, and what is refused by its content.
    choose = field.locator("input[type=file]")
    choose.set_input_files(FilePayload(name="net.pt", mimeType="", buffer=b"PK"))
    expect(alarm).to_have_text("net.pt is no safetensors file: save the network with safetensors.torch.save_file.")
    choose.set_input_files(FilePayload(name="large.safetensors", mimeType="", buffer=bytes(8_000_001)))
    expect(alarm).to_contain_text("8,000,000 are the most")
    choose.set_input_files(FilePayload(name="net.safetensors", mimeType="", buffer=b"PK\3\4" + bytes(1_000_000)))
    expect(alarm).to_contain_text("net.safetensors is no safetensors file but a pickle")
    expect(away).to_be_hidden()
    choose.set_input_files(file)
    expect(alarm).to_be_hidden()
    expect(shown).to_have_text(f"teacher.safetensors{file.stat().st_size:,} bytes")
    expect(page.get_by_label("Teacher epochs", exact=True)).to_be_disabled()
    away.press("Enter")
    expect(page.get_by_label("Teacher epochs", exact=True)).to_be_enabled()
    expect(field.get_by_role("button", name="Weights …")).to_be_focused()
    page.evaluate(DROP, ["teacher.safetensors", file.read_bytes().decode("latin-1"), ".kd-weights"])
    expect(shown).to_contain_text("teacher.safetensors")

    dashboard.press("start")  # the network that the page opens with
    dashboard.expect_state("failed")
    expect(dashboard.error).to_contain_text("teacher.safetensors does not have it: name the network")
    expect(shown).to_contain_text("teacher.safetensors")
    page.get_by_label("Teacher", exact=True).select_option("mlp:16x1")
    dashboard.fill("Epochs", 5000)
    dashboard.press("start")
    expect(dashboard.status).to_contain_text("Distilling the student")
    assert dashboard.errors()["teacher"] == saved
    page.reload(wait_until="commit")
    expect(dashboard.status).to_contain_text("Distilling the student")
    expect(shown).to_contain_text("came from a file: choose it again")
    dashboard.press("stop")
    dashboard.expect_state("stopped")
    dashboard.press("start")
    expect(dashboard.error).to_contain_text("This run's teacher came from a file: choose the file again")


SHARES = b"label,teacher:cat,teacher:dog,student:cat,student:dog\ncat,.9,.1,.75,.25\ndog,.2,.8,0,1\ncat,.6,.4,.5,.5\n"
SIGMOIDS = b"label,teacher:cat,teacher:dog,student:cat,student:dog\ncat,.95,.6,.9,.3\ndog,.05,.8,.01,.97\n"


def test_probabilities_are_asked_about(lab: TemperatureLab) -> None:
    before = lab.state()
    asking = lab.page.get_by_role("group", name="What the numbers are")
    choose(lab, "shares.csv", SHARES)
    expect(lab.alarm).to_contain_text("The numbers of the teacher in shares.csv look like probabilities")
    assert asking.get_by_role("button").all_text_contents() == ["Probabilities", "Logits"]
    assert lab.state() == before
    # What else one does lets the question go, and another sentence does not bring it back.
    lab.turn("ArrowRight")
    expect(asking).to_be_hidden()
    choose(lab, "a.txt", b"x")
    expect(lab.alarm).to_contain_text("a.txt is neither an NPZ nor a CSV file")
    expect(asking).to_be_hidden()
    choose(lab, "sigmoids.csv", SIGMOIDS)
    expect(lab.alarm).to_contain_text("give their log-odds, np.log(p / (1 - p)), or choose Logits if they are logits")
    assert asking.get_by_role("button").all_text_contents() == ["Logits"]
    choose(lab, "shares.csv", SHARES)
    asking.get_by_role("button", name="Probabilities").press("Enter")
    expect(lab.menu).to_have_value("shares")
    expect(lab.menu).to_be_focused()
    expect(lab.alarm).to_be_hidden()
    expect(asking).to_be_hidden()
    lab.fill("Temperature as a number", "1")
    lab.page.keyboard.press("Enter")
    lab.page.get_by_label("Number of the example").fill("1")
    lab.press("Enter")
    assert [row[2:] for row in lab.table(".kd-bars")] == [["20 %", "10⁻³⁶ %"], ["80 %", "100 %"]]
    expect(lab.page.locator(".kd-main")).to_contain_text(
        "Its numbers were given as probabilities: their logarithms stand"
    )
    assert "NaN" not in lab.page.locator(".kd-lab").text_content()

"""Small JavaScript modules made into one; the browser's tests run it."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from kdlab.widgets.modules import FOLDER, bundle

SOURCES = re.compile(r"^const SOURCES = (.*);\nconst ENTRY = (.*);$", re.MULTILINE)
ENTRIES = ("lab.js", "standalone.js", "soft_targets.js", "gallery.js")
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return a function that writes modules, given as name="source", and returns their folder."""

    def fill(**sources: str) -> Path:
        for name, source in sources.items():
            (tmp_path / f"{name}.js").write_text(source, encoding="utf-8")
        return tmp_path

    return fill


def held(bundled: str) -> tuple[dict[str, str], str]:
    """Return the sources by name, in their order, and the name of the entry."""
    found = SOURCES.search(bundled)
    assert found
    return json.loads(found[1]), json.loads(found[2])


def test_a_module_stands_after_all_that_it_imports(write: Write) -> None:
    folder = write(
        a='import { b } from "./b.js";\nimport {\n  c,\n} from "./c.js";',
        b='export { d as b } from "./d-1.js";',
        c='import { b } from "./b.js";\nimport * as d from "./d-1.js";',
        other="export const other = 1;",
        **{"d-1": "export const d = 1;"},
    )
    sources, entry = held(bundle(folder, "a.js"))
    assert list(sources) == ["d-1.js", "b.js", "c.js", "a.js"]
    assert sources == {name: (folder / name).read_text() for name in sources}
    assert entry == "a.js"
    assert list(held(bundle(folder, "other.js"))[0]) == ["other.js"]


def test_modules_do_not_import_each_other_in_a_circle(write: Write) -> None:
    folder = write(a='import "x"; import { b } from "./b.js";', b='import { c } from "./c.js";', c='from "./b.js"')
    with pytest.raises(
        ValueError, match=r"^The modules (b\.js → c\.js → b|c\.js → b\.js → c)\.js import each other in"
    ):
        bundle(folder, "a.js")


def test_a_missing_module_is_named(write: Write) -> None:
    folder = write(a='import { b } from "./b.js";')
    with pytest.raises(FileNotFoundError, match=r"b\.js"):
        bundle(folder, "a.js")
    with pytest.raises(FileNotFoundError, match=r"c\.js"):
        bundle(folder, "c.js")


def test_a_module_may_come_from_another_folder(write: Write, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "b.js").write_text("export const b = 'other';")
    (other / "c.js").write_text("export const c = 'other';")
    folder = write(a='import { b } from "./b.js";\nimport { c } from "./c.js";', b="export const b = 'own';")
    sources, _ = held(bundle(folder, "a.js", other))
    assert sources["b.js"] == "export const b = 'own';"
    assert sources["c.js"] == "export const c = 'other';"


def test_the_files_of_specialists_are_all_in_use() -> None:
    folder = FOLDER.parent / "specialists"
    used = {name for entry in ("confused.js", "asking.js") for name in held(bundle(folder, entry, FOLDER))[0]}
    assert {path.name for path in folder.glob("*.js")} <= used


def test_no_module_ends_the_script_that_holds_it(write: Write) -> None:
    source = 'export const html = "<!-- <script></script> ü \\n";\n'
    bundled = bundle(write(a=source), "a.js")
    assert not re.search(r"</|<!--|<script", bundled)
    assert held(bundled)[0] == {"a.js": source}


def test_the_labs_files_are_all_in_use() -> None:
    used = set[str]()
    for entry in ENTRIES:
        bundled = bundle(FOLDER, entry)
        assert bundled.count("export default") == 1, "the exported file replaces these words"
        used |= set(held(bundled)[0])
    assert used == {path.name for path in FOLDER.glob("*.js")}


def test_the_lab_imports_in_the_one_way_that_is_understood() -> None:
    for path in FOLDER.glob("*.js"):
        for line in re.findall(
            r"""^.*["'`]\.{1,2}/.*$|^.*\bimport\b.*$""", path.read_text(encoding="utf-8"), re.MULTILINE
        ):
            assert re.fullmatch(r'(import|export) .* from "\./[\w-]+\.js";', line), f"{path.name}: {line}"

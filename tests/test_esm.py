"""Small JavaScript modules made into one; the browser's tests run it."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

import kdlab
from kdlab.widgets.esm import bundle

SOURCES = re.compile(r"^const SOURCES = (.*);\nconst ENTRY = (.*);$", re.MULTILINE)
PACKAGE = Path(kdlab.__file__).parent
MODULES = [path for room in ("pages", "widgets") for path in sorted((PACKAGE / room).rglob("*.js"))]
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
    sources, entry = held(bundle(folder / "a.js"))
    assert list(sources) == ["d-1.js", "b.js", "c.js", "a.js"]
    assert sources == {name: (folder / name).read_text() for name in sources}
    assert entry == "a.js"
    assert list(held(bundle(folder / "other.js"))[0]) == ["other.js"]


def test_modules_do_not_import_each_other_in_a_circle(write: Write) -> None:
    folder = write(a='import "x"; import { b } from "./b.js";', b='import { c } from "./c.js";', c='from "./b.js"')
    with pytest.raises(
        ValueError, match=r"^The modules (b\.js → c\.js → b|c\.js → b\.js → c)\.js import each other in"
    ):
        bundle(folder / "a.js")


def test_a_missing_module_is_named(write: Write) -> None:
    folder = write(a='import { b } from "./b.js";')
    with pytest.raises(FileNotFoundError, match=r"b\.js"):
        bundle(folder / "a.js")
    with pytest.raises(FileNotFoundError, match=r"c\.js"):
        bundle(folder / "c.js")


def test_modules_of_other_folders_are_found_by_relative_paths(write: Write, tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "page" / "views").mkdir(parents=True)
    (tmp_path / "shared" / "b.js").write_text("export const b = 'shared';")
    (tmp_path / "page" / "b.js").write_text("export const b = 'of the page';")
    view = tmp_path / "page" / "views" / "a.js"
    view.write_text('import { b } from "../b.js";\nimport { b as shared } from "../../shared/b.js";')
    sources, entry = held(bundle(view))
    assert sources.keys() == {"page/b.js", "shared/b.js", "page/views/a.js"}
    assert entry == "page/views/a.js"


def test_no_module_ends_the_script_that_holds_it(write: Write) -> None:
    source = 'export const html = "<!-- <script></script> ü \\n";\n'
    bundled = bundle(write(a=source) / "a.js")
    assert not re.search(r"</|<!--|<script", bundled)
    assert held(bundled)[0] == {"a.js": source}


def test_the_exported_file_can_name_its_module() -> None:
    bundled = bundle(PACKAGE / "pages" / "temperature" / "standalone.js")
    assert bundled.count("export default") == 1, "the exported file replaces these words"


def test_all_modules_are_in_use() -> None:
    """Each is named by a Python file of its folder, as a widget's own, or imported by one that is."""
    used = {
        path.resolve()
        for path in MODULES
        for python in [*path.parent.glob("*.py"), *PACKAGE.glob("widgets/*.py")]
        if f'"{path.name}"' in python.read_text(encoding="utf-8")
    }
    pending = list(used)
    while pending:
        path = pending.pop()
        for other in re.findall(r'\bfrom "(\.[^"]+)"', path.read_text(encoding="utf-8")):
            imported = (path.parent / other).resolve()
            if imported not in used:
                used.add(imported)
                pending.append(imported)
    assert set(MODULES) == used


def test_modules_import_in_the_one_way_that_is_understood() -> None:
    for path in MODULES:
        text = path.read_text(encoding="utf-8")
        for line in re.findall(r"""^.*\bfrom ["'`]\.{1,2}/.*$|^import\b.*$""", text, re.MULTILINE):
            assert re.fullmatch(
                r'(import|export|\}) .* ?from "\.[\w./-]+\.js";|import \{|\} from "\.[\w./-]+\.js";', line
            ), f"{path.name}: {line}"


def test_what_computes_in_the_browser_knows_no_document() -> None:
    for path in (PACKAGE / "pages" / "temperature" / "compute").glob("*.js"):
        assert not re.search(r"\b(document|window)\b", path.read_text(encoding="utf-8")), path.name

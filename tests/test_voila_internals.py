"""The installed Voilà, Jupyter Server and Tornado have what kdlab uses of them without a promise in a document."""

import importlib.metadata
from types import CodeType

import pytest

from kdlab.server.voila_internals import USED_NAMES

PAIRS = [(owner, name) for owner, names in USED_NAMES.items() for name in names]


def names_in(code: CodeType) -> set[str]:
    inner = [names_in(constant) for constant in code.co_consts if isinstance(constant, CodeType)]
    return set(code.co_names).union(*inner)


def has(owner: type, name: str) -> bool:
    """Whether a class has an attribute, or one of its methods uses one: "method.attribute"."""
    method, _, attribute = name.rpartition(".")
    if not method:
        return hasattr(owner, name)
    return hasattr(owner, method) and attribute in names_in(getattr(owner, method).__code__)


def explain(owner: type, name: str) -> str:
    package = owner.__module__.partition(".")[0]
    version = importlib.metadata.version(package)
    return f"{package} {version} has no {owner.__qualname__}.{name}, which kdlab/server/voila_internals.py uses"


@pytest.mark.parametrize(("owner", "name"), PAIRS, ids=[f"{owner.__name__}.{name}" for owner, name in PAIRS])
def test_a_used_name_is_there(owner: type, name: str) -> None:
    assert has(owner, name), explain(owner, name)


def test_a_name_that_is_not_there_is_named() -> None:
    owner = next(iter(USED_NAMES))
    for name in ("_nothing", "init_settings._nothing", "_nothing.init_settings"):
        assert not has(owner, name)
    assert explain(owner, "_nothing").startswith("voila ")
    assert explain(owner, "_nothing").endswith("has no Voila._nothing, which kdlab/server/voila_internals.py uses")

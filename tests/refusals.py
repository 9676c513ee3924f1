"""How bad input is refused: with one sentence that people may read, in Python and on the command line."""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from kdlab.registry import InputError

__all__ = ["check_readable", "check_sentence", "command_refusal", "refusal"]

SECRETS = ("Traceback", 'File "', str(Path(__file__).parents[1]), sys.prefix, str(Path.home()), "Error(")
HINT = re.compile(r"\.( Did you mean '[^']*'\?)? Known: ")  # a name that nothing has comes with those that are there


def check_readable(message: str) -> None:
    """Fail unless a message is one line that ends as a sentence and tells nothing of the machine."""
    assert message.endswith("."), message
    assert message.isprintable(), ascii(message)
    for secret in SECRETS:
        assert secret not in message, message


def check_sentence(message: str) -> None:
    """Fail unless a message is readable and one sentence."""
    check_readable(message)
    assert ". " not in HINT.sub("; ", message), message


def refusal(action: Callable[..., Any], *arguments: Any, **options: Any) -> str:
    """Return the sentence with which `action` raises InputError; an iterator that it returns is run to its end."""
    with pytest.raises(InputError) as caught:
        _exhaust(action(*arguments, **options))
    message = str(caught.value)
    check_sentence(message)
    return message


def _exhaust(result: Any) -> None:
    for _ in result if isinstance(result, Iterator) else ():
        pass


def command_refusal(result: Result | subprocess.CompletedProcess[str], status: int = 2, progress: bool = False) -> str:
    """Return the sentence that a command wrote on standard error, after its progress if any, and nothing elsewhere."""
    code = result.exit_code if isinstance(result, Result) else result.returncode
    assert (code, result.stdout) == (status, ""), result
    assert result.stderr.endswith("\n"), result.stderr
    *before, message = result.stderr.splitlines()
    assert progress or not before, result.stderr
    assert message.startswith("Error: "), message
    check_sentence(message.removeprefix("Error: "))
    return message

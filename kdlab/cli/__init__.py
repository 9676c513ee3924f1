"""The command line: `kdlab distill`, `kdlab runs`, `kdlab reproduce`, `kdlab app`, `kdlab lab` and `kdlab export`.

Here live the commands and what they print; they may import every package. A command imports its modules when it runs,
so that `kdlab --help` answers at once.
"""

from typing import Any

import click

from kdlab.cli.app import app
from kdlab.cli.distill import distill
from kdlab.cli.export import export
from kdlab.cli.lab import lab
from kdlab.cli.reproduce import reproduce
from kdlab.cli.runs import runs
from kdlab.registry import InputError

__all__ = ["main"]


class _Refusal(click.ClickException):
    """Prints one sentence, without click's usage lines."""

    exit_code = 2


class _Commands(click.Group):
    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except InputError as error:
            raise _Refusal(str(error)) from error
        except KeyboardInterrupt:
            click.echo("\nStopped.", err=True)
            raise SystemExit(130) from None


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="kdlab")
def main() -> None:
    """See knowledge distillation with your own hands."""


for _command in (app, lab, distill, runs, reproduce, export):
    main.add_command(_command)

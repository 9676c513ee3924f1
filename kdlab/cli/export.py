"""`kdlab export`: a page as one HTML file that needs no kernel, no server and no network."""

from pathlib import Path

import click

__all__ = ["export"]


@click.group(short_help="Write a page as one HTML file that needs no kernel.")
def export() -> None:
    """Write a page as one HTML file that works without kdlab, for a lecture, a web site or an e-mail."""


@export.command(short_help="The temperature lab.")
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE.html", required=True, help="the file to write")
@click.option(
    "--run", "runs", type=click.Path(path_type=Path), metavar="FOLDER", multiple=True,
    help="also show this run of kdlab distill --out (may be given several times)",
)  # fmt: skip
def temperature(out: Path, runs: tuple[Path, ...]) -> None:
    """Write the temperature lab, with MNIST's and the digits' predictions, the pad and its networks."""
    from kdlab.datasets.mnist_pixels import mnist_validation_images
    from kdlab.pages import Temperature

    Temperature(*runs).export(out)
    click.echo(f"{out.absolute()}: {out.stat().st_size / 1e6:.1f} MB")
    if mnist_validation_images() is None:
        click.echo(
            "It has no pictures of MNIST: kdlab distill --dataset mnist fetches them, then export again.", err=True
        )

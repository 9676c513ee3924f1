"""Published results to compare with: facts only."""

__all__ = ["BLOG", "FOFFANO", "PAPER", "SIMARD", "SOURCES", "on_mnist"]

PAPER, BLOG, FOFFANO, SIMARD = "paper", "blog", "Foffano et al.", "Simard 2003"

SOURCES = {
    PAPER: "Hinton, Vinyals, Dean: Distilling the knowledge in a neural network, 2015, arXiv 1503.02531",
    BLOG: "Mishra: Distilling the knowledge from a big neural network …, 2018, github.com/abhishm/dark_knowledge",
    FOFFANO: "Foffano, Patil, Scholman: a reproduction with jitter in the transfer set too, 1,000 epochs",
    SIMARD: "Simard, Steinkraus, Platt: Best practices for convolutional neural networks, 2003 (elastic distortions)",
}


def on_mnist(dataset: str, values: dict[str, float]) -> dict[str, float]:
    """Return the values reported for MNIST, or none for another data set."""
    return values if dataset == "mnist" else {}

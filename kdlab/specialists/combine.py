"""One answer from a generalist and specialists, each of which knows some classes and has a dustbin for the others.

It is the distribution q over all classes that minimises KL(p_g, q) + Σ KL(p_m, q) (Hinton et al. 2015, equation 5): for
a specialist m, q's probabilities outside its classes are added up and compared with its dustbin. The other direction,
KL(q, p_g) + Σ KL(q, p_m), is there too. Specialists that know all classes make them the arithmetic and the geometric
mean. Neither has a closed form in general. Both are solved for a whole batch by Newton's method, with a matrix that has
a row for each specialist, however many classes there are.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kdlab.specialists.subsets import membership

__all__ = ["DIRECTIONS", "combine"]

Array = NDArray[np.float64]

DIRECTIONS = {"forward": "KL(p, q), as in the paper", "reverse": "KL(q, p)"}
STEPS = 200
NEAR = 1e-7  # relative distance from the end, where one more step of Newton's would be as good as being there
SHRINK = 0.03  # of itself that a product may become in one step
CLOSE = 1e-10  # by how much a logarithm may be missed
HALVINGS = 30
RIDGE = 1e-15  # keeps a matrix with a unit diagonal regular; Newton's method makes up for it
AT_ONCE = 200_000  # specialists × examples × classes, which a processor's cache holds
FLOOR = 1e-300  # a probability, so that logarithms stay finite


def combine(
    generalist: NDArray[np.floating], specialists: Sequence[NDArray[np.floating]], subsets: Sequence[Sequence[int]],
    asked: NDArray[np.bool_], direction: str = "forward",
) -> Array:  # fmt: skip
    """Return log q, float64 (examples, classes).

    `generalist`: logits (examples, classes); `specialists`: logits (examples, subset and dustbin, which comes last; one
    that knows all classes has none) of each of the `subsets`; `asked`: bool (examples, specialists), whom to heed.
    """
    log_g = _log_softmax(generalist)
    solve = {"forward": _forward, "reverse": _reverse}[direction]
    members = membership(subsets, log_g.shape[1])
    answer = log_g.copy()
    everyone, few = np.flatnonzero(asked.any(1)), max(1, AT_ONCE // max(1, members.size))
    for rows in (everyone[at : at + few] for at in range(0, len(everyone), few)):
        said = [_log_softmax(one[rows]) for one in specialists]
        # log p of each specialist's own classes, 0 elsewhere, (specialists, rows, classes), and of its dustbin.
        own = np.zeros((len(subsets), len(rows), log_g.shape[1]))
        dustbin = np.full((len(rows), len(subsets)), -np.inf)
        for at, subset in enumerate(subsets):
            own[at][:, list(subset)] = said[at][:, : len(subset)]
            if said[at].shape[1] > len(subset):
                dustbin[:, at] = said[at][:, -1]
        answer[rows] = _log_softmax(solve(log_g[rows], own, dustbin, members, asked[rows]))
    return answer


def _log_softmax(logits: NDArray[np.floating]) -> Array:
    shifted = logits.astype(np.float64)
    shifted -= shifted.max(1, keepdims=True)
    found: Array = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    return np.maximum(found, np.log(FLOOR))


def _forward(log_g: Array, own: Array, dustbin: Array, members: NDArray[np.bool_], asked: NDArray[np.bool_]) -> Array:
    """KL(p, q). With a_c the sum of what all say of class c, q_c = a_c / r_c, where r_c = W − Σ t_m over the dustbins m
    that hold c, W is how many answer, and t_m = d_m / Q_m: what a dustbin got, by what q gives to its classes.

    So q r = a and t Q = d, all of them positive: the conditions that interior-point methods for linear programs solve,
    and they are solved like these, by Newton's method with both sides of the products as unknowns. Products that are to
    become small do so step by step, or the rest would not follow.
    """
    heeded = asked & np.isfinite(dustbin)
    outside = (~members).astype(np.float64)
    pairs = _pairs(outside)
    a = np.exp(log_g) + np.einsum("nm,mnc->nc", asked, np.exp(own) * members[:, None])
    d = np.where(heeded, np.exp(dustbin), 1.0)
    q = np.full_like(a, 1 / a.shape[1])
    t = np.where(heeded, 0.5, 0.0)
    r = 1.0 + asked.sum(1, keepdims=True) - t @ outside
    answer = q.copy()
    rows = np.arange(len(a))
    for _ in range(STEPS):
        total = q @ outside.T
        left, lacking = np.maximum(a, SHRINK * q * r) / r - q, np.maximum(d, SHRINK * t * total) / np.maximum(t, FLOOR)
        curvature = ((q / r) @ pairs).reshape(len(q), *2 * [len(outside)]) * (heeded[:, :, None] & heeded[:, None])
        curvature += _diagonal(np.where(heeded, total / np.maximum(t, FLOOR), 1.0))
        move_t = _solve(curvature, np.where(heeded, lacking - total - left @ outside.T, 0.0))
        move_r = -(move_t @ outside)
        move_q = left - q / r * move_r
        size = np.minimum(1, 0.95 / np.max([_shrinking(q, move_q), _shrinking(r, move_r), _shrinking(t, move_t)], 0))
        q, r, t = q + size * move_q, r + size * move_r, t + size * move_t
        answer[rows] = q
        far = np.abs(q * r / a - 1).max(1)
        goes = np.maximum(far, np.where(heeded, np.abs(t * (q @ outside.T) / d - 1), 0).max(1)) > NEAR
        if not goes.any():
            break
        rows, a, d, q, r, t, heeded = (one[goes] for one in (rows, a, d, q, r, t, heeded))
    log_q: Array = np.log(np.maximum(answer, FLOOR))
    return log_q


def _shrinking(values: Array, moves: Array) -> Array:
    """The largest share of a value that a move takes away, (rows, 1); at least a tiny one."""
    shares: Array = (-moves / np.maximum(values, FLOOR)).max(1, keepdims=True)
    return np.maximum(shares, FLOOR)


def _reverse(log_g: Array, own: Array, dustbin: Array, members: NDArray[np.bool_], asked: NDArray[np.bool_]) -> Array:
    """KL(q, p). Of n_c who know class c, q_c = exp((b_c + λ − Σ w_m over the dustbins m that hold c) / n_c).

    b_c is the sum of all log-probabilities that hold c. The unknowns are λ, which makes q add up to 1, and w_m, which
    is the log of what q gives to the dustbin's classes. Newton's method on these equations as logarithms: they are all
    but piecewise linear, and their Jacobian is never singular, so that steps that are halved where they overshoot end
    at the solution from anywhere.
    """
    heeded = asked & np.isfinite(dustbin)
    own_log = np.append(np.ones(len(members)), 0.0)  # the equations of w_m hold it also outside q
    dustbins = np.concatenate([~members, np.ones((1, members.shape[1]), bool)])  # the last holds all classes
    sides = dustbins * (1 - 2 * own_log)[:, None]
    apart = np.where(dustbins | ~dustbins.any(1, keepdims=True), 0.0, -np.inf)
    b = log_g + np.einsum("nm,mnc->nc", asked, own) + np.where(heeded, dustbin, 0.0) @ ~members
    known = 1.0 + asked.astype(np.float64) @ members
    heeded = np.concatenate([heeded, np.ones((len(b), 1), bool)], 1)

    def look(x: Array, b: Array, known: Array, heeded: NDArray[np.bool_]) -> tuple[Array, Array, Array]:
        """log q, each class's share in what q gives to a dustbin, and by how much each equation is missed."""
        log_q = (b + x @ sides) / known
        shares = log_q[:, None] + apart
        top = shares.max(2, keepdims=True)
        np.exp(np.subtract(shares, top, out=shares), out=shares)
        total = shares.sum(2, keepdims=True)
        shares /= total
        return log_q, shares, np.where(heeded, (top + np.log(total))[..., 0] - own_log * x, 0.0)

    # From the mean of all logarithms, with λ so small that no class gets more than all.
    x = np.where(heeded, np.log(np.exp(_log_softmax(b / known)) @ dustbins.T + FLOOR), 0.0)
    x[:, -1] = -(b + x[:, :-1] @ sides[:-1]).max(1)
    _, shares, missed = look(x, b, known, heeded)
    answer: Array = np.empty_like(b)
    rows = np.arange(len(b))
    for _ in range(STEPS):
        slopes = (shares / known[:, None]) @ sides.T - np.diag(own_log)
        slopes = np.where(heeded[:, :, None] & heeded[:, None], slopes, np.eye(len(sides)))
        move = -np.linalg.solve(slopes, missed[..., None])[..., 0]
        before, size = np.square(missed).sum(1), np.ones(len(rows))
        for _ in range(HALVINGS):
            log_q, shares, missed = look(x + size[:, None] * move, b, known, heeded)
            short = np.square(missed).sum(1) > (1 - 0.2 * size) * before + CLOSE**2
            if not short.any():
                break
            size[short] /= 2
        x = x + size[:, None] * move
        answer[rows] = log_q
        goes = np.abs(missed).max(1) > CLOSE
        if not goes.any():
            break
        rows, x, b, known, heeded, shares, missed = (
            one[goes] for one in (rows, x, b, known, heeded, shares, missed)
        )  # fmt: skip
    return answer


def _pairs(rows: Array) -> Array:
    """The products of all pairs of rows, (columns, rows²)."""
    products: Array = (rows[:, None] * rows[None]).reshape(-1, rows.shape[1]).T
    return products


def _diagonal(values: Array) -> Array:
    return values[:, :, None] * np.eye(values.shape[1])


def _solve(matrices: Array, sides: Array) -> Array:
    """Solve a positive definite system a row, whose unknowns may differ by many orders of magnitude."""
    scale = 1 / np.sqrt(np.maximum(np.einsum("nii->ni", matrices), FLOOR))
    scaled = matrices * scale[:, :, None] * scale[:, None] + RIDGE * np.eye(matrices.shape[1])
    solved: Array = scale * np.linalg.solve(scaled, (scale * sides)[..., None])[..., 0]
    return solved

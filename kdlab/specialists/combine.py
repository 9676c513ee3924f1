"""Combined prediction of a generalist and specialists, each for some classes with a dustbin for the others.

It is the distribution q over all classes that minimises KL(p_g, q) + Σ KL(p_m, q) (Hinton et al. 2015, equation 5): for
a specialist m, q's probabilities outside its classes are added up and compared with its dustbin. The other direction,
KL(q, p_g) + Σ KL(q, p_m), is available too. For specialists that know all classes these are the arithmetic and the
geometric mean. Neither has a closed form in general. Both are solved for a whole batch by Newton's method, with a
matrix that has one row for each specialist, independent of the number of classes.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kdlab.metrics.softened import log_soften
from kdlab.specialists.subsets import membership

__all__ = ["DIRECTIONS", "combine"]

Array = NDArray[np.float64]

DIRECTIONS = {"forward": "KL(p, q), as in the paper", "reverse": "KL(q, p)"}
STEPS = 200
NEAR = 1e-7  # relative error at which Newton's method stops; its convergence is quadratic
SHRINK = 0.03  # smallest factor by which a product may change in one step
CLOSE = 1e-10  # tolerance of an equation in logarithms
HALVINGS = 30
RIDGE = 1e-15  # keeps a matrix with a unit diagonal regular; Newton's method corrects the error
MAX_CHUNK_ELEMENTS = 200_000  # specialists × examples × classes that fit into a processor's cache
FLOOR = 1e-300  # smallest probability, so that logarithms stay finite


def combine(
    generalist: NDArray[np.floating], specialists: Sequence[NDArray[np.floating]], subsets: Sequence[Sequence[int]],
    asked: NDArray[np.bool_], direction: str = "forward",
) -> Array:  # fmt: skip
    """Return log q, float64 (examples, classes).

    `generalist`: logits (examples, classes); `specialists`: logits (examples, subset and dustbin, which comes last; one
    that knows all classes has none) of each of the `subsets`; `asked`: bool (examples, specialists), which to use.
    """
    log_g = _floored_log_softmax(generalist)
    solve = {"forward": _forward, "reverse": _reverse}[direction]
    members = membership(subsets, log_g.shape[1])
    log_q = log_g.copy()
    consulted_rows, chunk_size = np.flatnonzero(asked.any(1)), max(1, MAX_CHUNK_ELEMENTS // max(1, members.size))
    for rows in (consulted_rows[start : start + chunk_size] for start in range(0, len(consulted_rows), chunk_size)):
        log_p = [_floored_log_softmax(logits[rows]) for logits in specialists]
        # log p of each specialist's own classes, 0 elsewhere, (specialists, rows, classes), and of its dustbin.
        class_log_p = np.zeros((len(subsets), len(rows), log_g.shape[1]))
        dustbin = np.full((len(rows), len(subsets)), -np.inf)
        for index, subset in enumerate(subsets):
            class_log_p[index][:, list(subset)] = log_p[index][:, : len(subset)]
            if log_p[index].shape[1] > len(subset):
                dustbin[:, index] = log_p[index][:, -1]
        log_q[rows] = _floored_log_softmax(solve(log_g[rows], class_log_p, dustbin, members, asked[rows]))
    return log_q


def _floored_log_softmax(logits: NDArray[np.floating]) -> Array:
    return np.maximum(log_soften(logits), np.log(FLOOR))


def _forward(
    log_g: Array, specialist_log_p: Array, dustbin: Array, members: NDArray[np.bool_], asked: NDArray[np.bool_]
) -> Array:
    """KL(p, q). With a_c the sum of all probabilities of class c, q_c = a_c / r_c, where r_c = W − Σ t_m over the
    dustbins m that hold c, W is the number of networks, and t_m = d_m / Q_m: a dustbin's probability, divided by q's
    probability of its classes.

    So q r = a and t Q = d, all of them positive. Interior-point methods for linear programs solve such conditions by
    Newton's method with both factors of the products as unknowns, and so does this function. Products that become small
    shrink step by step; otherwise the other equations would not converge.
    """
    active = asked & np.isfinite(dustbin)
    outside = (~members).astype(np.float64)
    pairs = _pairs(outside)
    a = np.exp(log_g) + np.einsum("nm,mnc->nc", asked, np.exp(specialist_log_p) * members[:, None])
    d = np.where(active, np.exp(dustbin), 1.0)
    q = np.full_like(a, 1 / a.shape[1])
    t = np.where(active, 0.5, 0.0)
    r = 1.0 + asked.sum(1, keepdims=True) - t @ outside
    result = q.copy()
    rows = np.arange(len(a))
    for _ in range(STEPS):
        total = q @ outside.T
        left, lacking = np.maximum(a, SHRINK * q * r) / r - q, np.maximum(d, SHRINK * t * total) / np.maximum(t, FLOOR)
        curvature = ((q / r) @ pairs).reshape(len(q), *2 * [len(outside)]) * (active[:, :, None] & active[:, None])
        curvature += _diagonal(np.where(active, total / np.maximum(t, FLOOR), 1.0))
        move_t = _solve(curvature, np.where(active, lacking - total - left @ outside.T, 0.0))
        move_r = -(move_t @ outside)
        move_q = left - q / r * move_r
        size = np.minimum(1, 0.95 / np.max([_shrinking(q, move_q), _shrinking(r, move_r), _shrinking(t, move_t)], 0))
        q, r, t = q + size * move_q, r + size * move_r, t + size * move_t
        result[rows] = q
        relative_error = np.abs(q * r / a - 1).max(1)
        unfinished = np.maximum(relative_error, np.where(active, np.abs(t * (q @ outside.T) / d - 1), 0).max(1)) > NEAR
        if not unfinished.any():
            break
        rows, a, d, q, r, t, active = (array[unfinished] for array in (rows, a, d, q, r, t, active))
    log_q: Array = np.log(np.maximum(result, FLOOR))
    return log_q


def _shrinking(values: Array, moves: Array) -> Array:
    """The largest share of a value that a move takes away, (rows, 1); at least a tiny one."""
    shares: Array = (-moves / np.maximum(values, FLOOR)).max(1, keepdims=True)
    return np.maximum(shares, FLOOR)


def _reverse(
    log_g: Array, specialist_log_p: Array, dustbin: Array, members: NDArray[np.bool_], asked: NDArray[np.bool_]
) -> Array:
    """KL(q, p). If n_c networks know class c, q_c = exp((b_c + λ − Σ w_m over the dustbins m that hold c) / n_c).

    b_c is the sum of all log-probabilities that hold c. The unknowns are λ, which normalises q, and w_m, the log of q's
    probability of the dustbin's classes. Newton's method is applied to the logarithms of these equations. They are
    nearly piecewise linear, and their Jacobian is never singular, so that Newton's method with step halving converges
    from any start.
    """
    active = asked & np.isfinite(dustbin)
    self_weight = np.append(np.ones(len(members)), 0.0)  # w_m also stands on its own in its equation, λ does not
    dustbins = np.concatenate([~members, np.ones((1, members.shape[1]), bool)])  # the last holds all classes
    sides = dustbins * (1 - 2 * self_weight)[:, None]
    apart = np.where(dustbins | ~dustbins.any(1, keepdims=True), 0.0, -np.inf)
    b = log_g + np.einsum("nm,mnc->nc", asked, specialist_log_p) + np.where(active, dustbin, 0.0) @ ~members
    class_counts = 1.0 + asked.astype(np.float64) @ members
    active = np.concatenate([active, np.ones((len(b), 1), bool)], 1)

    def evaluate(x: Array, b: Array, class_counts: Array, active: NDArray[np.bool_]) -> tuple[Array, Array, Array]:
        """log q, the share of each class in q's probability of a dustbin, and the residuals of the equations."""
        log_q = (b + x @ sides) / class_counts
        shares = log_q[:, None] + apart
        top = shares.max(2, keepdims=True)
        np.exp(np.subtract(shares, top, out=shares), out=shares)
        total = shares.sum(2, keepdims=True)
        shares /= total
        return log_q, shares, np.where(active, (top + np.log(total))[..., 0] - self_weight * x, 0.0)

    # Start from the mean of all logarithms, with λ so small that no probability exceeds 1.
    x = np.where(active, np.log(np.exp(_floored_log_softmax(b / class_counts)) @ dustbins.T + FLOOR), 0.0)
    x[:, -1] = -(b + x[:, :-1] @ sides[:-1]).max(1)
    _, shares, residuals = evaluate(x, b, class_counts, active)
    result: Array = np.empty_like(b)
    rows = np.arange(len(b))
    for _ in range(STEPS):
        slopes = (shares / class_counts[:, None]) @ sides.T - np.diag(self_weight)
        slopes = np.where(active[:, :, None] & active[:, None], slopes, np.eye(len(sides)))
        move = -np.linalg.solve(slopes, residuals[..., None])[..., 0]
        previous_error, size = np.square(residuals).sum(1), np.ones(len(rows))
        for _ in range(HALVINGS):
            log_q, shares, residuals = evaluate(x + size[:, None] * move, b, class_counts, active)
            overshot = np.square(residuals).sum(1) > (1 - 0.2 * size) * previous_error + CLOSE**2
            if not overshot.any():
                break
            size[overshot] /= 2
        x = x + size[:, None] * move
        result[rows] = log_q
        unfinished = np.abs(residuals).max(1) > CLOSE
        if not unfinished.any():
            break
        rows, x, b, class_counts, active, shares, residuals = (
            array[unfinished] for array in (rows, x, b, class_counts, active, shares, residuals)
        )  # fmt: skip
    return result


def _pairs(rows: Array) -> Array:
    """The products of all pairs of rows, (columns, rows²)."""
    products: Array = (rows[:, None] * rows[None]).reshape(-1, rows.shape[1]).T
    return products


def _diagonal(values: Array) -> Array:
    return values[:, :, None] * np.eye(values.shape[1])


def _solve(matrices: Array, sides: Array) -> Array:
    """Solve one positive definite system per row; the unknowns may differ by many orders of magnitude."""
    scale = 1 / np.sqrt(np.maximum(np.einsum("nii->ni", matrices), FLOOR))
    scaled = matrices * scale[:, :, None] * scale[:, None] + RIDGE * np.eye(matrices.shape[1])
    solved: Array = scale * np.linalg.solve(scaled, (scale * sides)[..., None])[..., 0]
    return solved

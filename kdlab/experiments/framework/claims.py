"""Claims of an experiment: sentences about named outcomes, as plain data that can be judged anew."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from kdlab.experiments.framework.outcomes import Outcomes
from kdlab.experiments.framework.verdicts import LEVEL, Judgement, judge, judge_all, judge_rate, judge_share
from kdlab.registry import InputError, quote

__all__ = ["Above", "All", "Claim", "Fewer", "Keeps", "Rare", "Within", "judge_anew"]


@dataclass(frozen=True, kw_only=True)
class Claim(ABC):
    """A statement, and the measured outcome in words."""

    text: str
    measured: str
    kinds: ClassVar[dict[str, type["Claim"]]] = {}

    def __init_subclass__(cls) -> None:
        Claim.kinds[cls.__name__] = cls

    @abstractmethod
    def judge(self, outcomes: Outcomes, level: float = LEVEL) -> Judgement:
        """Return verdict, mean and interval."""

    def to_dict(self, outcomes: Outcomes) -> dict[str, Any]:
        """Return the claim as plain data, judged."""
        fields = asdict(self)
        words = {key: fields.pop(key) for key in ("text", "measured")}
        return {**words, **self.judge(outcomes), "kind": type(self).__name__, "about": fields}


@dataclass(frozen=True, kw_only=True)
class Fewer(Claim):
    """The mean of the outcome `of` is below that of the outcome `than`."""

    of: str
    than: str

    def judge(self, outcomes: Outcomes, level: float = LEVEL) -> Judgement:
        """Judge the paired difference."""
        return judge(outcomes.scores(self.than) - outcomes.scores(self.of), level, outcomes.groups(self.of))


@dataclass(frozen=True, kw_only=True)
class Above(Claim):
    """The mean of the outcome `of`, numbers, is above `bound`."""

    of: str
    bound: float

    def judge(self, outcomes: Outcomes, level: float = LEVEL) -> Judgement:
        """Judge what is above the bound."""
        return judge(outcomes.scores(self.of) - self.bound, level, outcomes.groups(self.of))


@dataclass(frozen=True, kw_only=True)
class Rare(Claim):
    """The outcome `of`, such as an error, happens to a share of the examples below `below`.

    `among`: of the examples of these classes alone.
    """

    of: str
    below: float
    among: tuple[int, ...] = ()

    def judge(self, outcomes: Outcomes, level: float = LEVEL) -> Judgement:
        """Judge the rate by an exact interval, as of so many examples as the groups are worth that they belong to."""
        among = tuple(self.among)
        return judge_rate(outcomes.scores(self.of, among), self.below, level, outcomes.groups(self.of, among))


@dataclass(frozen=True, kw_only=True)
class Keeps(Claim):
    """Of what `best` has fewer than `baseline`, `kept` keeps at least this share."""

    baseline: str
    best: str
    kept: str
    share: float

    def judge(self, outcomes: Outcomes, level: float = LEVEL) -> Judgement:
        """Judge the share, where there is a gain."""
        baseline, best, student = (outcomes.scores(name) for name in (self.baseline, self.best, self.kept))
        return judge_share(baseline - best, baseline - student, self.share, level, outcomes.groups(self.baseline))


@dataclass(frozen=True, kw_only=True)
class Within(Claim):
    """Two outcomes differ by less than this share of their mean.

    That is judged from the side that is nearer to the bound.
    """

    first: str
    second: str
    share: float

    def judge(self, outcomes: Outcomes, level: float = LEVEL) -> Judgement:
        """Judge what is left to the bound."""
        first, second = outcomes.scores(self.first), outcomes.scores(self.second)
        sign = 1.0 if first.sum() >= second.sum() else -1.0
        left = self.share * (first + second) / 2 - sign * (first - second)
        return judge(left, level, outcomes.groups(self.first))


@dataclass(frozen=True, kw_only=True)
class All(Claim):
    """Each of several claims holds; they have no words of their own."""

    parts: tuple[Claim, ...]

    def judge(self, outcomes: Outcomes, level: float = LEVEL) -> Judgement:
        """Judge every part."""
        corrected = 1 - (1 - level) / len(self.parts)
        judged, stricter = ([part.judge(outcomes, each) for part in self.parts] for each in (level, corrected))
        return judge_all(judged, stricter)

    def to_dict(self, outcomes: Outcomes) -> dict[str, Any]:
        """Return the claim and its parts as plain data, judged."""
        fields = {"parts": [part.to_dict(outcomes) for part in self.parts]}
        return super().to_dict(outcomes) | {"about": fields}


def judge_anew(claim: Mapping[str, Any], outcomes: Outcomes) -> dict[str, Any]:
    """Return a claim of a report, judged by today's rules; raises InputError for unknown kinds and outcomes."""
    return _read(claim).to_dict(outcomes)


def _read(claim: Mapping[str, Any]) -> Claim:
    fields = dict(claim["about"])
    if "parts" in fields:
        fields["parts"] = tuple(map(_read, fields["parts"]))
    if claim["kind"] not in Claim.kinds:
        raise InputError(f"There is no kind of claims {quote(claim['kind'])}; there are {', '.join(Claim.kinds)}.")
    return Claim.kinds[claim["kind"]](text=claim["text"], measured=claim["measured"], **fields)

"""What keeps covariates from being sent: as one error, or as rows of an audit."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from nixtla_accessor.errors import CovariateError
from nixtla_accessor.panel.messages import count
from nixtla_accessor.panel.problems import Problem


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with covariates.

    Parameters
    ----------
    kind : str
        What an audit calls it.
    column : hashable or None
        The column that has it.
    found : str
        What is wrong, in a sentence.
    remedy : str
        What to do, in sentences.
    series : tuple of (id, stamp, int)
        The series that have it: the id, the first stamp concerned and how many; empty where it is no matter of series.
    """

    kind: str
    column: Hashable | None
    found: str
    remedy: str
    series: tuple[tuple[Hashable | None, Any, int], ...] = ()

    def __str__(self) -> str:
        return f"{self.found} {self.remedy}".rstrip()

    def to_problems(self) -> Iterator[Problem]:
        """Yield the rows of an audit."""
        if not self.series:
            yield Problem(None, self.column, self.kind, None, 1, str(self))
        for name, first, number in self.series:
            yield Problem(name, self.column, self.kind, first, number, self.remedy)


def refuse(findings: Sequence[Finding]) -> None:
    """Refuse covariates of which something is wrong, with all of it in one message.

    Raises
    ------
    CovariateError
        There are findings.
    """
    if len(findings) == 1:
        raise CovariateError(str(findings[0]))
    if findings:
        listed = "\n".join(f"{number}. {finding}" for number, finding in enumerate(findings, start=1))
        raise CovariateError(f"The covariates have {count(len(findings), 'problem')}:\n{listed}")

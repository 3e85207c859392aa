"""What a corpus's files mean, where the configuration says it: names of leads, patients in names, likelihoods.

Standard library only, since configurations are checked whenever the Snakefile is parsed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from beatlens.core.leads import canonical_lead

if TYPE_CHECKING:
    from beatlens.corpora.downloads.download import Remote

MAX_PATTERN = 200
MOST_REPEATS = 3
"""Repeats (``*``, ``+``, ``?``, ``{2,5}``) in a pattern. Matching takes at most one more as a power of a name's length,
which is 100 characters at most."""
_REPEAT = r"(?:[*+?]|\{\d*(?:,\d*)?\})"
_REPEATED_GROUP = re.compile(r"\)" + _REPEAT)
_REPEATS = re.compile(_REPEAT)
_ONE_CHARACTER = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]])*\]", re.DOTALL)
_REFERENCE = re.compile(r"\\[1-9]|\(\?[^:]")


class OtherCorpus(NamedTuple):
    """Another corpus of the run: its name, its folder, and where it is downloaded from, if it is."""

    name: str
    folder: Path
    remote: Remote | None = None


@dataclass(frozen=True)
class ReadingRules:
    """Keys of a corpus's entry in the configuration that say how its files are read.

    Attributes
    ----------
    leads
        Standard name of a lead by its name in the file, in small letters or capitals.
    patient_pattern
        Pattern whose one group, found in a record's name, is the patient; None where headers or a table tell.
    min_likelihood
        Likelihood in percent from which on a statement of PTB-XL counts.
    ptb_xl
        PTB-XL, where it is in the run too, for the Challenge's copies of its records.
    """

    leads: Mapping[str, str] = field(default_factory=dict)
    patient_pattern: str | None = None
    min_likelihood: float = 0.0
    ptb_xl: OtherCorpus | None = None

    @classmethod
    def from_corpus(
        cls, entry: Mapping[str, Any], folders: Mapping[str, Path], remotes: Mapping[str, Remote]
    ) -> ReadingRules:
        """Build from what `told_rules` takes from a corpus, with the folders and sources of all corpora by name."""
        name = entry.get("ptb_xl")
        ptb_xl = None if name is None else OtherCorpus(name, folders[name], remotes.get(name))
        return cls(**{**entry, "ptb_xl": ptb_xl})

    def lead(self, name: str) -> str:
        """Return the name of a lead: the one that the rules say, else the standard one, else its own."""
        told = {key.strip().casefold(): lead for key, lead in self.leads.items()}
        return told.get(name.strip().casefold()) or canonical_lead(name)

    def patient(self, record: str) -> str:
        """Return the patient that a record's name tells, "" where no rule says so or the name doesn't fit."""
        found = re.search(self.patient_pattern, record) if self.patient_pattern else None
        return (found[1] or "") if found else ""


def told_rules(corpora: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the keys of `ReadingRules` that the corpora of a configuration state, by corpus, as they go into JSON.

    A corpus of the Challenge is told the name of PTB-XL, where that is in the run too.
    """
    corpora = list(corpora)
    names = ("leads", "patient_pattern", "min_likelihood")
    told = {corpus["name"]: {key: corpus[key] for key in names if corpus.get(key)} for corpus in corpora}
    originals = [corpus["name"] for corpus in corpora if corpus["format"] == "ptb-xl"]
    for corpus in corpora:
        if corpus["format"] == "challenge" and originals:
            told[corpus["name"]]["ptb_xl"] = originals[0]
    return {name: rules for name, rules in told.items() if rules}


def pattern_problem(pattern: str) -> str | None:
    """Return what a pattern of record names should be, where it isn't: no pattern may take long on any name.

    Repeated groups and references are refused, since they may take a time that doubles with each letter, and more than
    `MOST_REPEATS` repeats.
    """
    if len(pattern) > MAX_PATTERN:
        return f"a pattern of at most {MAX_PATTERN} characters"
    try:
        groups = re.compile(pattern).groups
    except (re.error, RecursionError, OverflowError) as error:
        return f"a regular expression ({error})"
    if groups != 1:
        return "a regular expression with one group, the patient, such as '^([0-9]+)_'"
    bare = _ONE_CHARACTER.sub(lambda match: match[0] if _REFERENCE.match(match[0]) else "_", pattern)
    if _REPEATED_GROUP.search(bare) or _REFERENCE.search(bare):
        return "a regular expression without repeated groups, references and conditions"
    if len(_REPEATS.findall(bare)) > MOST_REPEATS:
        return f"a regular expression with at most {MOST_REPEATS} of *, +, ? and {{m,n}}"
    return None

"""What the short names of beat and strip classes mean: full names and a sentence each, for pages and figures.

Class ids are what label tables say (config/labels), so there may be others than these; they are their own names. The
groups N, S, V, F and Q are those of ANSI/AAMI EC57. Diagnoses have their names in their own tables
(`beatlens.corpora.diagnosis_table`).
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple


class ClassMeaning(NamedTuple):
    """Full name of a class, one of it; what it is, in a sentence."""

    name: str
    meaning: str


MEANINGS: Mapping[str, ClassMeaning] = MappingProxyType(
    {
        "N": ClassMeaning("normal beat", "Sinus beat; in AAMI's grouping also bundle branch block and escape beats."),
        "S": ClassMeaning("supraventricular premature beat", "Early beat from the atria or the AV node."),
        "V": ClassMeaning("ventricular premature beat", "Early beat from a ventricle, most often with a wide QRS."),
        "F": ClassMeaning("fusion beat", "Beat that a ventricular focus and normal conduction make together."),
        "Q": ClassMeaning("paced or unclassifiable beat", "Beat of a pacemaker, or one that annotators left open."),
        "STE": ClassMeaning("beat with ST elevation", "Normally conducted beat whose ST segment is raised."),
        "RBBB": ClassMeaning("right bundle branch block beat", "Beat whose right ventricle is activated late."),
        "LBBB": ClassMeaning("left bundle branch block beat", "Beat whose left ventricle is activated late."),
        "SBRAD": ClassMeaning("sinus bradycardia", "Sinus rhythm at a slow rate."),
        "STACH": ClassMeaning("sinus tachycardia", "Sinus rhythm at a fast rate."),
        "AF": ClassMeaning("atrial fibrillation", "Irregular rhythm without P waves."),
        "AFL": ClassMeaning("atrial flutter", "Regular, fast activity of the atria."),
        "VT": ClassMeaning("ventricular tachycardia", "Fast run of ventricular beats."),
        "VF": ClassMeaning("ventricular fibrillation", "Disorganised activity of the ventricles, without beats."),
        "VE": ClassMeaning("ventricular ectopic beat", "Beat from a ventricle, early or late."),
        "COUPLET": ClassMeaning("couplet", "Two ectopic beats in a row."),
        "TRIPLET": ClassMeaning("triplet", "Three ectopic beats in a row."),
        "PVCSUB": ClassMeaning("subtype of ventricular premature beats", "Ventricular premature beats, told by shape."),
        "noise": ClassMeaning("noise", "No class can be told."),
    }
)
"""Meaning by class id, in the order in which classes are listed."""


def class_name(class_id: str) -> str:
    """Return the full name of a class, lower case and singular; the id itself where it has no name here."""
    return MEANINGS[class_id].name if class_id in MEANINGS else class_id


def glossary(class_ids: Iterable[str] | None = None) -> Mapping[str, str]:
    """Return ``name: meaning`` by class id, the text of ``<abbr title=...>``.

    Parameters
    ----------
    class_ids
        The classes of a run, in their order; those without a name here are left out. All of them where None.
    """
    chosen = MEANINGS if class_ids is None else [class_id for class_id in class_ids if class_id in MEANINGS]
    return {class_id: f"{MEANINGS[class_id].name}: {MEANINGS[class_id].meaning}" for class_id in chosen}

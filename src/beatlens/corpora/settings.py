"""An entry of ``corpora`` in the configuration."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, get_args

from beatlens.core.allowed import Allowed, PositiveFloat, Text
from beatlens.core.leads import Lead
from beatlens.core.options import Settings
from beatlens.corpora.formats.rules import pattern_problem

Format = Literal["synthetic", "wfdb", "challenge", "ptb-xl", "strips"]
FORMATS: tuple[str, ...] = get_args(Format)
SERVER = r"^(https://|http://(localhost|127\.[0-9.]+|\[::1\])[:/])"


@dataclass(frozen=True)
class CorpusSettings(Settings, section="corpora[]"):
    """A corpus of the run."""

    name: Annotated[str, Allowed(pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
    """Name of the corpus and of its folder in `data_dir`."""

    format: Format
    """How its files are laid out. `synthetic` is made on the spot under `results/corpora/<name>`. `challenge` is that
    of the PhysioNet Challenges 2020 and 2021, `ptb-xl` that of PTB-XL; both have diagnoses of records and no beat
    annotations."""

    role: Literal["train", "test", "predict", "noise"]
    """What it is for. Records of `train` are dealt to the splits by `split`; `predict` needs no labels; `noise` is
    added to training beats."""

    folder: Text | None = None
    """Where the corpus lies, relative to the working directory or absolute; `<data_dir>/<name>` where left out."""

    labels: Text | None = None
    """Label table, a CSV of symbol, aux and class. It is left out where the corpus has no beat annotations."""

    diagnoses: Text | None = None
    """Diagnosis table, a CSV of code, diagnosis and name: what the corpus's labels of records mean."""

    reviewed: Annotated[tuple[Text, ...], Allowed(minItems=1, uniqueItems=True)] | None = None
    """Tables of decisions that reviewers made with `beatlens review`, whose classes become labels of beats that have no
    annotation. They teach as annotations do, and are counted and scored apart from them."""

    patients: Text | None = None
    """CSV of record and patient, where one person has several records and the headers don't say so. A patient
    `@<corpus>/<id>` is the one of that id in another corpus of the run. A record that no table, header and pattern
    tells of is its own patient."""

    patient_pattern: Text | None = None
    """Regular expression whose one group, found in a record's name, is the patient, such as `^data_([0-9]+)_`."""

    leads: Mapping[str, Lead] | None = None
    """What leads of odd names are, such as `{ECG1: II, ECG2: V1}`: name in the file, then the standard one."""

    annotator: Annotated[str, Allowed(pattern="^[A-Za-z0-9]{1,16}$")] = "atr"
    """Ending of the annotation files."""

    remote: Text | None = None
    """Where records are downloaded from when the folder is absent: the path below `base_url`, such as `mitdb/1.0.0`."""

    licence: Text | None = None
    """Licence of the records, which a bundle that learns from them names."""

    attribution: Text | None = None
    """Whom to name when the records, or what was learnt from them, are used."""

    records: Annotated[tuple[Text, ...], Allowed(minItems=1)] | None = None
    """The records to take of the corpus; all where left out."""

    databases: Annotated[tuple[Text, ...], Allowed(minItems=1)] | None = None
    """The databases to take of a corpus of the format `challenge`, such as `[georgia]`: folders below `training`. All
    where left out."""

    min_likelihood: Annotated[float, Allowed(minimum=0, maximum=100)] = 0.0
    """Likelihood in percent from which on a statement of PTB-XL counts as one of the record. 0 in its table means that
    the likelihood is unknown, and such statements count always, as in the published benchmarks."""

    base_url: Annotated[str, Allowed(pattern=SERVER)] | None = None
    """Server of the download, PhysioNet's where left out. It is https, or http on this machine."""

    fs: PositiveFloat | None = None
    """Rate of strips in Hz; this or `duration_s`, since their tables give none. Of PTB-XL the rate to read, 100 or
    500."""

    duration_s: PositiveFloat | None = None
    """Length of every strip in seconds, whatever its number of samples."""

    lead: Text = "II"
    """Lead of strips."""

    units_per_mv: PositiveFloat = 1.0
    """What the samples of strips are divided by to be millivolts."""

    def _rules(self) -> Iterator[tuple[str, str]]:
        if self.folder is not None and self.format == "synthetic":
            yield "folder", "nothing: records of the format synthetic are made"
        if self.reviewed is not None and self.role not in {"train", "test"}:
            yield "reviewed", f"nothing: labels of records of the role {self.role} are never used"
        if self.format == "strips" and (self.fs is None) == (self.duration_s is None):
            yield "fs", "fs (Hz) or duration_s (of a strip), one of them: the tables of strips give no rate"
        if self.format == "ptb-xl" and self.fs not in {100, 500}:
            yield "fs", "100 or 500 (Hz): PTB-XL has each ECG at both rates, and a run takes one"
        if self.format not in {"strips", "ptb-xl"} and self.fs is not None:
            yield "fs", "nothing: the key is for the formats strips and ptb-xl alone"
        if self.format != "challenge" and self.databases is not None:
            yield "databases", "nothing: the key is for the format challenge alone"
        if self.format != "ptb-xl" and self.min_likelihood != self.default("min_likelihood"):
            yield "min_likelihood", "nothing: the key is for the format ptb-xl alone"
        problem = pattern_problem(self.patient_pattern) if self.patient_pattern is not None else None
        if problem is not None:
            yield "patient_pattern", problem
        for name in ("duration_s", "lead", "units_per_mv"):
            if self.format != "strips" and getattr(self, name) != self.default(name):
                yield name, "nothing: the key is for the format strips alone"

"""An entry of ``corpora`` in the configuration."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal, get_args

from beatlens.core.allowed import Allowed, PositiveFloat, Text
from beatlens.core.options import Settings

Format = Literal["synthetic", "wfdb", "strips"]
FORMATS: tuple[str, ...] = get_args(Format)
SERVER = r"^(https://|http://(localhost|127\.[0-9.]+|\[::1\])[:/])"


@dataclass(frozen=True)
class CorpusSettings(Settings, section="corpora[]"):
    """A corpus of the run."""

    name: Annotated[str, Allowed(pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
    """Name of the corpus and of its folder in `data_dir`."""

    format: Format
    """How its files are laid out. `synthetic` is made on the spot under `results/corpora/<name>`."""

    role: Literal["train", "test", "predict", "noise"]
    """What it is for. Records of `train` are dealt to the splits by `split`; `predict` needs no labels; `noise` is
    added to training beats."""

    folder: Text | None = None
    """Where the corpus lies, relative to the working directory or absolute; `<data_dir>/<name>` where left out."""

    labels: Text | None = None
    """Label table, a CSV of symbol, aux and class. It is left out where the corpus has no beat annotations."""

    patients: Text | None = None
    """CSV of record and patient, where one person has several records; else each record is a patient."""

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

    base_url: Annotated[str, Allowed(pattern=SERVER)] | None = None
    """Server of the download, PhysioNet's where left out. It is https, or http on this machine."""

    fs: PositiveFloat | None = None
    """Rate of strips in Hz; this or `duration_s`, since their tables give none."""

    duration_s: PositiveFloat | None = None
    """Length of every strip in seconds, whatever its number of samples."""

    lead: Text = "II"
    """Lead of strips."""

    units_per_mv: PositiveFloat = 1.0
    """What the samples of strips are divided by to be millivolts."""

    def _rules(self) -> Iterator[tuple[str, str]]:
        if self.folder is not None and self.format == "synthetic":
            yield "folder", "nothing: records of the format synthetic are made"
        if self.format == "strips" and (self.fs is None) == (self.duration_s is None):
            yield "fs", "fs (Hz) or duration_s (of a strip), one of them: the tables of strips give no rate"
        for name in ("fs", "duration_s", "lead", "units_per_mv"):
            if self.format != "strips" and getattr(self, name) != self.default(name):
                yield name, "nothing: the key is for the format strips alone"

"""Making the embedded corpus: WFDB signal, header and annotation files, the truth beside them, and RECORDS.

Annotations follow the WFDB library: beats ``N A V R L`` at the R peak (the sample where the noise-free QRS dipole of
the patient's typical beat of that class is longest), with the auxiliary note ``STE`` for a normally conducted beat with
ST elevation; ``+`` with the rhythm; ``~`` where the signal quality changes. A ``~`` has, as in the MIT-BIH database,
the noisy signals in its subtype (bit k: signal k, of the first four), and says the same in its note with a letter a
lead, ``n`` noisy or ``c`` clean. So a noise stretch goes from a ``~`` of subtype > 0 to the next ``~`` of subtype 0.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from beatlens.core import claims
from beatlens.core.files import read_json, scratch_directory, sha256_of, write_json, write_text
from beatlens.core.seeds import derive_seed
from beatlens.corpora.synthetic import morphology, noise, rhythm, truth
from beatlens.corpora.synthetic.decoys import Decoy, decoy_signal, draw_decoys
from beatlens.corpora.synthetic.morphology import Heart, Table
from beatlens.corpora.synthetic.plan import RecordPlan, plan_records
from beatlens.corpora.synthetic.rhythm import Beat
from beatlens.corpora.synthetic.settings import SyntheticSettings
from beatlens.signals.conditioning import BandPass, condition

VERSION = 1
"""Raised when the generator makes other records from the same settings, so that folders are made anew."""

STAMP = "corpus.json"
"""Written last; holds the settings, the records and the digest of SHA256SUMS, so it changes where any sample does."""

SUMS = "SHA256SUMS"
"""Digests of the made files, in PhysioNet's layout; tells the record sheet which records are as they were made."""

SYMBOLS = {"N": "N", "STE": "N", "S": "A", "V": "V", "RBBB": "R", "LBBB": "L"}
DX_CODES = {
    "sinus": 426783006,
    "bradycardia": 426177001,
    "tachycardia": 427084000,
    "fibrillation": 164889003,
    "RBBB": 59118001,
    "LBBB": 164909002,
    "S": 284470004,
    "V": 427172004,
    "STE": 164931005,
}
RHYTHM_NOTES = {"sinus": "(N", "bradycardia": "(SBR", "tachycardia": "(N", "fibrillation": "(AFIB"}
FILE_FORMATS = {False: ("212", 200), True: ("16", 1000)}  # clinical or not: format, units a millivolt
ENDINGS = (".dat", ".hea", ".atr", ".truth.csv")
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Made:
    """One record in memory.

    Attributes
    ----------
    plan, heart, matrix
        What it was made from; `matrix` is (n_leads, 3).
    beats
        Beats with their R samples, those inside the record.
    all_beats
        With those before and after it.
    clean
        (n_leads, n_samples) mV without noise.
    decoys, decoy_sources
        What was planted that means nothing, and (n_leads, n_sources) how the leads see the signals it was planted in:
        the independent leads of a clinical record, so that the limb leads still obey Einthoven.
    signal
        `clean` with decoys and noise.
    stretches
        Stretches of strong noise.
    comments
        Header comment lines.
    """

    plan: RecordPlan
    heart: Heart
    matrix: Table
    beats: list[tuple[Beat, int]]
    all_beats: list[Beat]
    clean: npt.NDArray[np.float64]
    decoys: list[Decoy]
    decoy_sources: Table
    signal: npt.NDArray[np.float64]
    stretches: list[noise.NoiseStretch]
    comments: list[str]

    @property
    def planted(self) -> npt.NDArray[np.float64]:
        """(n_leads, n_samples) mV that the decoys add."""
        return self.decoy_sources @ decoy_signal(self.decoys, (self.decoy_sources.shape[1], self.plan.n_samples))


def make_record(plan: RecordPlan, settings: SyntheticSettings) -> Made:
    """Make one record; it depends on its plan and the corpus seed, not on other records."""
    of_patient = np.random.default_rng(derive_seed(settings.seed, "patient", plan.patient))
    heart = morphology.draw_heart(of_patient, plan.leads)
    habits = rhythm.draw_habits(of_patient)
    age, sex = int(of_patient.integers(34, 88)), str(of_patient.choice(["Female", "Male"]))
    rng = np.random.default_rng(derive_seed(settings.seed, "record", plan.name))
    n_samples, n_leads = plan.n_samples, len(plan.leads)

    mixing = morphology.mixing(plan.leads)
    matrix = mixing @ heart.matrix
    all_beats = rhythm.make_beats(plan, habits, rng)
    clean = truth.render(all_beats, heart, matrix, plan.fs, n_samples)
    if plan.rhythm == "fibrillation":
        clean += matrix @ morphology.fibrillation(rng, plan.fs, n_samples)
    beats = []
    for beat in all_beats:
        offset = heart.shape(beat.kind, beat.focus).r_offset_s
        r_sample = round((beat.time_s + offset) * plan.fs)
        if 0 <= r_sample < n_samples:
            beats.append((beat, r_sample))

    # Noise enters at the independent leads, so the limb leads of a noisy record still obey Einthoven.
    sources = mixing.shape[1] if plan.clinical else n_leads
    stretches = noise.draw_stretches(rng, n_samples, plan.fs) if plan.noisy else []
    added = noise.background(rng, sources, n_samples, plan.fs, plan.mains_hz)
    if stretches:
        added += noise.stretch_noise(rng, stretches, n_leads, n_samples, plan.fs)
    signal = clean + (mixing @ added if plan.clinical else added)

    # So do decoys. They have a generator of their own, so that without them a record has the same bits.
    rows = [plan.leads.index(lead) for lead in morphology.INDEPENDENT_LEADS] if plan.clinical else slice(None)
    decoys = draw_decoys(
        clean[rows],
        [r_sample for _, r_sample in beats],
        plan.fs,
        share=settings.decoy_share,
        rng=np.random.default_rng(derive_seed(settings.seed, "decoys", plan.name)),
    )
    decoy_sources = mixing if plan.clinical else np.eye(n_leads)
    if decoys:
        signal += decoy_sources @ decoy_signal(decoys, (decoy_sources.shape[1], n_samples))

    shown = {beat.kind for beat, _ in beats}
    dx = [DX_CODES[plan.rhythm], *(code for kind, code in DX_CODES.items() if kind in shown)]
    codes = ",".join(str(code) for code in dx)
    comments = [f"Age: {age}", f"Sex: {sex}", f"Dx: {codes}", f"Patient: {plan.patient}"]
    return Made(
        plan, heart, matrix, beats, all_beats, clean, decoys, decoy_sources, signal, stretches, comments
    )  # fmt: skip


class AnnotationRow(NamedTuple):
    """An annotation as the file has it."""

    sample: int
    symbol: str
    subtype: int
    note: str


def annotation_rows(made: Made) -> list[AnnotationRow]:
    """Return the annotations of a record, ascending; see the module's text."""
    n_leads = len(made.plan.leads)
    rows = [AnnotationRow(0, "+", 0, RHYTHM_NOTES[made.plan.rhythm])]
    for beat, r_sample in made.beats:
        rows.append(AnnotationRow(r_sample, SYMBOLS[beat.kind], 0, "STE" if beat.kind == "STE" else ""))
    for stretch in made.stretches:
        rows.append(AnnotationRow(stretch.start, "~", (1 << min(n_leads, 4)) - 1, "n" * n_leads))
        rows.append(AnnotationRow(stretch.end, "~", 0, "c" * n_leads))
    rows.sort(key=lambda row: row.sample)
    # Two annotations can't share a sample of a WFDB file.
    for k in range(1, len(rows)):
        if rows[k].sample <= rows[k - 1].sample:
            rows[k] = rows[k]._replace(sample=rows[k - 1].sample + 1)
    return rows


def _write_record(folder: Path, made: Made, settings: SyntheticSettings) -> None:
    import wfdb

    plan = made.plan
    n_leads = len(plan.leads)
    file_format, gain = FILE_FORMATS[plan.clinical]
    limit = 2047 if file_format == "212" else 32767
    digital = np.rint(made.signal.T * gain).clip(-limit, limit).astype(np.int64)
    wfdb.wrsamp(
        plan.name,
        fs=int(plan.fs) if plan.fs.is_integer() else plan.fs,
        units=["mV"] * n_leads,
        sig_name=list(plan.leads),
        d_signal=digital,
        fmt=[file_format] * n_leads,
        adc_gain=[float(gain)] * n_leads,
        baseline=[0] * n_leads,
        comments=made.comments,
        write_dir=str(folder),
    )
    rows = annotation_rows(made)
    wfdb.wrann(
        plan.name,
        "atr",
        sample=np.array([row.sample for row in rows]),
        symbol=[row.symbol for row in rows],
        subtype=np.array([row.subtype for row in rows]),
        aux_note=[row.note for row in rows],
        fs=plan.fs,
        write_dir=str(folder),
    )
    conditioning = BandPass(plan.fs, settings.truth_band_hz, settings.truth_order)
    rows_of_truth = truth.truth_rows(
        made.beats,
        made.heart,
        made.matrix,
        leads=plan.leads,
        fs=plan.fs,
        n_samples=plan.n_samples,
        settings=conditioning,
        threshold_mv=settings.truth_mv,
    )
    rows_of_truth += truth.decoy_rows(
        made.decoys,
        condition(made.planted.astype(np.float32), plan.fs, conditioning).signal,
        made.decoy_sources,
        leads=plan.leads,
        r_samples=[r_sample for _, r_sample in made.beats],
        threshold_mv=settings.truth_mv,
    )
    truth.write_truth(folder / f"{plan.name}.truth.csv", rows_of_truth)


def _stamp(settings: SyntheticSettings, names: list[str]) -> dict[str, Any]:
    plain = {key: list(value) if isinstance(value, (list, tuple)) else value for key, value in asdict(settings).items()}
    return {"version": VERSION, "settings": plain, "records": names}


def _files(names: list[str]) -> Iterator[str]:
    for name in names:
        for ending in ENDINGS:
            yield name + ending


def _earlier_records(folder: Path) -> set[str]:
    """Return the records made here earlier: Snakemake may have removed the stamp, so SHA256SUMS says."""
    if not (folder / SUMS).exists():
        return set()
    files = [line.split()[1] for line in (folder / SUMS).read_text(encoding="utf-8").splitlines()]
    return {name.removesuffix(".hea") for name in files if name.endswith(".hea")}


def make_corpus(folder: Path, settings: SyntheticSettings) -> list[str]:
    """Make the corpus in a folder, unless it is there already.

    A folder that has every file, made from the same settings, is left alone. Otherwise everything is made in a
    temporary folder beside it and moved over, the stamp last, so a kill leaves a folder that is made again. Of what
    lies there already, only records of an earlier corpus of ours are removed; RECORDS keeps lines that a user added.

    Parameters
    ----------
    folder
        Where the corpus goes.
    settings
        Section ``synthetic`` of the configuration.

    Returns
    -------
    Record names, in the order of RECORDS.
    """
    folder = Path(folder)
    plans = plan_records(settings)
    names = [plan.name for plan in plans]
    stamp = _stamp(settings, names)
    stamp_path = folder / STAMP
    previous = read_json(stamp_path) if stamp_path.exists() else {}
    as_before = {key: previous.get(key) for key in stamp} == stamp
    if as_before and all((folder / name).exists() for name in ["RECORDS", SUMS, *_files(names)]):
        logger.info("%s: %d records are there already", folder, len(names))
        return names
    with scratch_directory(folder) as made:
        for plan in plans:
            _write_record(made, make_record(plan, settings), settings)
        claims.check()
        folder.mkdir(exist_ok=True)
        stamp_path.unlink(missing_ok=True)
        earlier = _earlier_records(folder)
        for name in _files(sorted(earlier - set(names))):
            (folder / name).unlink(missing_ok=True)
        for name in _files(names):
            claims.give_name(made / name, folder / name)
    listed = (folder / "RECORDS").read_text(encoding="utf-8").split() if (folder / "RECORDS").exists() else []
    ours = {*names, *earlier}
    lines = [*names, *(name for name in listed if name not in ours)]
    write_text(folder / "RECORDS", "".join(f"{name}\n" for name in lines))
    sums = "".join(f"{sha256_of(folder / name)}  {name}\n" for name in sorted(_files(names)))
    write_text(folder / SUMS, sums)
    write_json(stamp_path, {**stamp, "digest": hashlib.sha256(sums.encode()).hexdigest()})
    logger.info("%s: made %d records", folder, len(names))
    return names

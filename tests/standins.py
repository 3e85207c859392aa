"""Small made corpora in the form of real ones: their headers, lead names, symbols, notes and folders."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

TWELVE = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
DATABASES = {
    "chapman_shaoxing": "JS00001",
    "cpsc_2018": "A0001",
    "cpsc_2018_extra": "Q0001",
    "georgia": "E00001",
    "ningbo": "JS11438",
    "ptb": "S0001",
    "ptb-xl": "HR00002",
    "st_petersburg_incart": "I0001",
}
"""Databases of the Challenge 2021, with the name of a record of each."""
RR_S, FIRST_S = 0.8, 0.6


def beats(fs: float, seconds: float) -> np.ndarray:
    """Return the R peaks of `ecg` in samples."""
    return np.rint(np.arange(FIRST_S, seconds - 0.5, RR_S) * fs).astype(np.int64)


def ecg(fs: float, seconds: float, n_leads: int, gain: float = 200.0) -> np.ndarray:
    """Return stored values (n_samples, n_leads): narrow QRS complexes with P and T waves, smaller in later leads."""
    n = round(fs * seconds)
    late = (np.arange(n) / fs - FIRST_S + RR_S / 2) % RR_S - RR_S / 2  # time since the R peak that is next
    late[: max(0, round((FIRST_S - RR_S / 2) * fs))] = RR_S
    waves: np.ndarray = np.zeros(n) + sum(
        size * np.exp(-0.5 * ((late - at) / width) ** 2)
        for size, at, width in ((0.12, -0.16, 0.02), (1.0, 0.0, 0.012), (-0.2, 0.03, 0.012), (0.3, 0.25, 0.04))
    )
    noise = np.random.default_rng(n).normal(0, 0.005, (n, n_leads))
    return np.rint(gain * (waves[:, None] * np.linspace(1.0, 0.5, n_leads) + noise)).astype(np.int64)


def write(folder: Path, head: str, signals: Sequence[str], stored: np.ndarray, comments: Sequence[str] = ()) -> None:
    """Write a record: lines of the header as in the real corpus, and the samples in the format that they name."""
    import wfdb

    name, form = head.split()[0], signals[0].split()[1].split("+")[0]
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    if signals[0].split()[0].endswith(".mat"):
        head_of_mat = np.array([30, stored.shape[1], len(stored), 0, 4], dtype="<i4").tobytes() + b"val\0"
        (folder / f"{name}.mat").write_bytes(head_of_mat + stored.astype("<i2").tobytes())
    else:
        n = stored.shape[1]
        wfdb.wrsamp(name, 100, ["mV"] * n, [f"s{k}" for k in range(n)], d_signal=stored, fmt=[form] * n,
                    adc_gain=[200.0] * n, baseline=[0] * n, write_dir=str(folder))  # fmt: skip
    (folder / f"{name}.hea").write_text("\n".join([head, *signals, *comments]) + "\n", encoding="utf-8")


def annotate(
    folder: Path, name: str, ending: str, sample: Iterable[int], symbol: Sequence[str], aux: Sequence[str] = ()
) -> None:
    """Write an annotation file."""
    import wfdb

    notes = list(aux) or [""] * len(symbol)
    wfdb.wrann(name, "new", np.array(list(sample)), symbol=list(symbol), aux_note=notes, write_dir=str(folder))
    (folder / f"{name}.new").rename(folder / f"{name}.{ending}")  # the library writes no ending with a digit


def _two_leads(
    folder: Path, fs: int, names: Sequence[str], leads: Sequence[str], gain: str = "200", symbols: str = "NNNVNNSN"
) -> None:
    """Write records of two leads in format 212 with an annotated beat at each R peak."""
    for name in names:
        signals = [f"{name}.dat 212 {gain} 12 0 0 0 0 {lead}" for lead in leads]
        write(folder, f"{name} {len(leads)} {fs} {20 * fs}", signals, ecg(fs, 20, len(leads)))
        if symbols:
            r = beats(fs, 20)
            annotate(folder, name, "atr", r, [symbols[k % len(symbols)] for k in range(len(r))])
    (folder / "RECORDS").write_text("\n".join(names) + "\n", encoding="utf-8")


def _rhythm(folder: Path, name: str, fs: int, notes: Sequence[str]) -> None:
    annotate(folder, name, "atr", [fs * (1 + 5 * k) for k in range(len(notes))], ["+"] * len(notes), notes)


def svdb(folder: Path) -> None:
    """Gains of 0, which stand for 200 a mV, in some records."""
    _two_leads(folder, 128, ["800"], ["ECG1", "ECG2"])
    _two_leads(folder, 128, ["820"], ["ECG1", "ECG2"], gain="0", symbols="NNSNJN")


def ltdb(folder: Path) -> None:
    """Two and three leads."""
    _two_leads(folder, 128, ["14046"], ["ECG1", "ECG2"], gain="0")
    _two_leads(folder, 128, ["14157"], ["ECG1", "ECG2", "ECG3"], gain="0")


def nsrdb(folder: Path) -> None:
    """Age and sex in one comment."""
    _two_leads(folder, 128, ["16265"], ["ECG1", "ECG2"], gain="0", symbols="NNNN|")
    header = folder / "16265.hea"
    header.write_text(header.read_text() + "# 32 M\n")


def afdb(folder: Path) -> None:
    """Rhythm in .atr, found beats in .qrs; a record without signals."""
    _two_leads(folder, 250, ["04015"], ["ECG1", "ECG2"], gain="0", symbols="")
    _rhythm(folder, "04015", 250, ["(N", "(AFIB", "(N"])
    annotate(folder, "04015", "qrs", beats(250, 20), ["N"] * len(beats(250, 20)))
    (folder / "00735.hea").write_text("00735 0 250 0\n", encoding="utf-8")
    _rhythm(folder, "00735", 250, ["(N", "(AFIB"])


def vfdb(folder: Path) -> None:
    """Both leads have one name; rhythm alone is annotated."""
    _two_leads(folder, 250, ["418"], ["ECG", "ECG"], symbols="")
    _rhythm(folder, "418", 250, ["(N", "(VFL", "(N"])


def edb(folder: Path) -> None:
    """Write changes of ST and T as annotations that are no beats."""
    _two_leads(folder, 250, ["e0103"], ["V4", "MLIII"], symbols="NNsNTN")
    header = folder / "e0103.hea"
    header.write_text(header.read_text() + "\n#Age: 62  Sex: M\n#Mixed angina\n#Medications: nitrates, diltiazem\n")


def qtdb(folder: Path) -> None:
    """Write an excerpt with the annotations of its origin, and one without; waves in .q1c."""
    _two_leads(folder, 250, ["sel100"], ["MLII", "V5"])
    _two_leads(folder, 250, ["sel30"], ["ECG1", "MLII"], symbols="")
    annotate(folder, "sel30", "q1c", [100, 110, 120, 150], ["(", "p", ")", "N"])


def incartdb(folder: Path) -> None:
    """Twelve leads; two records of one patient; a supraventricular escape beat."""
    for name, patient in (("I01", 1), ("I02", 1), ("I03", 2)):
        signals = [f"{name}.dat 16 306 16 0 0 0 0 {lead}" for lead in TWELVE]
        comments = ["#<age>: 65 <sex>: F <diagnoses> Coronary artery disease", f"# patient {patient}", "# PVCs, noise"]
        write(folder, f"{name} 12 257 5140", signals, ecg(257, 20, 12, 306), comments)
        r = beats(257, 20)
        annotate(folder, name, "atr", r, [("n" if k == 3 else "V" if k == 5 else "N") for k in range(len(r))])


def ludb(folder: Path) -> None:
    """Small letters; an annotation file a lead."""
    for name in ("1", "2"):
        signals = [f"{name}.dat 16 1000/mV 16 0 0 0 0 {lead.lower()}" for lead in TWELVE]
        comments = ["#<age>: 51", "#<sex>: F", "#<diagnoses>:", "#Rhythm: Sinus bradycardia."]
        write(folder / "data", f"{name} 12 500 5000", signals, ecg(500, 10, 12, 1000), comments)
        r = beats(500, 10)
        for lead in TWELVE:
            around = [sample for peak in r for sample in (peak - 40, peak, peak + 40)]
            annotate(folder / "data", name, lead.lower(), around, ["(", "N", ")"] * len(r))


def cpsc2021(folder: Path) -> None:
    """Write a patient's number in the names; two leads."""
    for part, name in (("I", "data_0_1"), ("I", "data_0_2"), ("II", "data_64_1")):
        place, signals = folder / f"Training_set_{part}", [f"{name}.dat 16 1000/mV 16 0 0 0 0 {x}" for x in ("I", "II")]
        write(place, f"{name} 2 200 4000", signals, ecg(200, 20, 2, 1000), ["#paroxysmal atrial fibrillation"])
        r = beats(200, 20)
        annotate(place, name, "atr", r, ["N"] * len(r), ["(AFIB" if k == 4 else "" for k in range(len(r))])


def challenge_record(folder: Path, name: str, *, comments: Sequence[str], fs: int = 500, seconds: float = 10) -> None:
    """Write a record of the Challenge."""
    signals = [f"{name}.mat 16+24 1000/mV 16 0 0 0 0 {lead}" for lead in TWELVE]
    head = f"{name} 12 {fs} {round(fs * seconds)} 12-May-2020 12:33:59"
    write(folder, head, signals, ecg(fs, seconds, 12, 1000), comments)


def challenge(folder: Path) -> None:
    """Each database of 2021, in the old and the new form of comments."""
    for k, (database, name) in enumerate(DATABASES.items()):
        blank = " " if k % 2 else ""
        notes = ["Age: 74", "Sex: Male", "Dx: 59118001,426783006", "Rx: Unknown", "Hx: Unknown", "Sx: Unknown"]
        comments = [f"#{blank}{note}" for note in notes]
        challenge_record(folder / "training" / database / "g1", name, comments=comments)


def ptb_xl(folder: Path) -> None:
    """Both rates of three ECGs of two patients, with the table."""
    lines = ["ecg_id,patient_id,age,sex,report,scp_codes,strat_fold,filename_lr,filename_hr"]
    for number, patient, age in ((1, "15709.0", "56.0"), (2, "13243.0", "300.0"), (3, "15709.0", "57.0")):
        codes = "{'NORM': 80.0, 'IMI': 35.0, 'SR': 0.0}"
        lines.append(f'{number},{patient},{age},1,"sinusrhythmus, normal","{codes}",{number},,')
        for rate, ending in ((100, "lr"), (500, "hr")):
            name = f"{number:05d}_{ending}"
            signals = [f"{name}.dat 16 1000.0(0)/mV 16 0 0 0 0 {lead.upper()}" for lead in TWELVE]
            write(
                folder / f"records{rate}" / "00000", f"{name} 12 {rate} {10 * rate}", signals, ecg(rate, 10, 12, 1000)
            )
    (folder / "ptbxl_database.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


STAND_INS: dict[str, Callable[[Path], None]] = {
    "afdb": afdb, "challenge-2021": challenge, "cpsc2018": challenge, "cpsc2021": cpsc2021, "edb": edb,
    "incartdb": incartdb, "ltdb": ltdb, "ludb": ludb, "nsrdb": nsrdb, "ptb-xl": ptb_xl, "qtdb": qtdb, "svdb": svdb,
    "vfdb": vfdb,
}  # fmt: skip
"""What writes the stand-in of each overlay in config/corpora."""

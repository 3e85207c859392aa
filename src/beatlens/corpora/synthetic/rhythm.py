"""When the hearts of the embedded corpus beat, and which class each beat has."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from beatlens.corpora.synthetic.morphology import Variation
from beatlens.corpora.synthetic.plan import RR_RANGES_S, RecordPlan

EPISODIC = ("RBBB", "LBBB", "STE")


@dataclass(frozen=True)
class Beat:
    """One beat.

    Attributes
    ----------
    time_s
        Fiducial point, seconds from the start of the record; may lie outside it.
    kind
        Beat class.
    focus
        Which of the patient's foci, where a class has several.
    rr_s
        RR interval that the T wave follows.
    with_p
        Whether the atria contract before it (not in atrial fibrillation).
    variation
        How it differs from the patient's typical beat.
    """

    time_s: float
    kind: str
    focus: int
    rr_s: float
    with_p: bool
    variation: Variation


@dataclass(frozen=True)
class Habits:
    """How a patient's rhythm goes: coupling intervals (shares of RR), breathing, variability."""

    s_coupling: float
    v_coupling: float
    s_share: float
    v_share: float
    breaths_hz: float
    sinus_arrhythmia: float
    breath_turn: float
    breath_gain: float
    rr_spread: float


def draw_habits(rng: np.random.Generator) -> Habits:
    """Draw a patient's habits from the patient's own generator."""
    return Habits(
        s_coupling=rng.uniform(0.58, 0.78),
        v_coupling=rng.uniform(0.56, 0.72),
        s_share=rng.uniform(0.07, 0.12),
        v_share=rng.uniform(0.07, 0.13),
        breaths_hz=rng.uniform(0.18, 0.32),
        sinus_arrhythmia=rng.uniform(0.01, 0.05),
        breath_turn=rng.uniform(0.02, 0.08),
        breath_gain=rng.uniform(0.02, 0.07),
        rr_spread=rng.uniform(0.008, 0.02),
    )


def plan_kinds(plan: RecordPlan, n_beats: int, habits: Habits, rng: np.random.Generator) -> list[str]:
    """Return the class of each of `n_beats` successive beats: episodes of block or ST elevation, single ectopics."""
    kinds = ["N"] * n_beats
    episodic = [kind for kind in EPISODIC if kind in plan.classes]
    if plan.permanent and episodic:
        kinds = [episodic[0]] * n_beats
    elif plan.clinical:
        if plan.index % 2 and episodic:
            begin = 0 if plan.index % 4 == 3 else int(rng.integers(4, 7))
            kinds[begin:] = [episodic[plan.index // 2 % len(episodic)]] * (n_beats - begin)
    elif episodic:
        slots = episodic * max(1, round(n_beats / (60 * len(episodic))))
        edges = np.linspace(0, n_beats, len(slots) + 1).round().astype(int)
        for kind, begin, end in zip(slots, edges[:-1], edges[1:], strict=True):
            length = round((end - begin) * rng.uniform(0.32, 0.5))
            start = int(rng.integers(begin + 2, max(begin + 3, end - length - 1)))
            kinds[start : start + length] = [kind] * length
    for kind, share in (("S", habits.s_share), ("V", habits.v_share)):
        if kind in plan.classes and not (plan.clinical and plan.index % 2 and not plan.permanent):
            _add_single(kinds, kind, max(2 if plan.clinical else 4, round(share * n_beats)), rng)
    return kinds


def _add_single(kinds: list[str], kind: str, count: int, rng: np.random.Generator) -> None:
    """Put single ectopic beats where two beats before and after are no ectopics; atrial ones only amid normal beats."""
    for place in rng.permutation(np.arange(3, len(kinds) - 3)):
        around = kinds[place - 2 : place + 3]
        hosts = {"N"} if kind == "S" else {"N", *EPISODIC}
        if count and hosts.issuperset(around) and (kind == "V" or len(set(around)) == 1):
            kinds[place] = kind
            count -= 1


def make_beats(plan: RecordPlan, habits: Habits, rng: np.random.Generator) -> list[Beat]:
    """Return the beats of a record in time order, with one or two before its start and after its end.

    An atrial premature beat resets the sinus node (incomplete pause); a ventricular one doesn't, so the two intervals
    around it make two sinus intervals (full pause). In fibrillation intervals are independent draws.
    """
    base = rng.uniform(*RR_RANGES_S[plan.rhythm])
    kinds = plan_kinds(plan, int(plan.duration_s / base) + 4, habits, rng)
    breath, slow = rng.uniform(0, 2 * np.pi, 2)
    fibrillating = plan.rhythm == "fibrillation"
    time = -rng.uniform(0.2, 0.9) * base
    previous = base
    beats: list[Beat] = []
    position = 0
    while time < plan.duration_s + 0.6:
        kind = kinds[position] if position < len(kinds) else kinds[-1]
        following = kinds[position + 1] if position + 1 < len(kinds) else kinds[-1]
        phase = 2 * np.pi * habits.breaths_hz * time + breath
        beats.append(
            _beat(
                time,
                kind,
                rr_s=0.5 * previous + 0.5 * base,
                with_p=not fibrillating,
                phase=phase,
                habits=habits,
                rng=rng,
            )
        )
        if fibrillating:
            sinus = base * float(np.clip(np.exp(0.22 * rng.standard_normal()), 0.58, 1.9))
        else:
            wave = habits.sinus_arrhythmia * np.sin(phase) + 0.015 * np.sin(2 * np.pi * 0.08 * time + slow)
            sinus = base * (1 + float(wave) + habits.rr_spread * rng.standard_normal())
        sinus *= 0.96 if following in {"RBBB", "LBBB"} and not plan.permanent else 1.0  # rate-dependent block
        if following == "S":
            interval = max(habits.s_coupling * sinus * (1 + 0.03 * rng.standard_normal()), 0.34)
        elif following == "V":
            mean = 1.2 * base if fibrillating else sinus
            interval = max(habits.v_coupling * mean * (1 + 0.02 * rng.standard_normal()), 0.42)
        elif kind == "S":
            interval = sinus * rng.uniform(1.02, 1.15)
        elif kind == "V":
            interval = max(2 * sinus - previous, sinus)
        else:
            interval = sinus
        time += interval
        previous = interval
        position += 1
    return beats


def _beat(
    time: float, kind: str, *, rr_s: float, with_p: bool, phase: float, habits: Habits, rng: np.random.Generator
) -> Beat:
    """Draw one beat's variation; breathing turns the heart and changes the amplitude."""
    spread = rng.standard_normal(7).clip(-2.5, 2.5)
    variation = Variation(
        gain=1 + habits.breath_gain * float(np.sin(phase)) + 0.015 * spread[0],
        turn_z=habits.breath_turn * float(np.sin(phase + 0.6)) + 0.012 * spread[1],
        turn_y=0.5 * habits.breath_turn * float(np.cos(phase)) + 0.012 * spread[2],
        p_gain=1 + 0.08 * spread[3],
        pr_shift_s=0.003 * spread[4],
        width=1 + 0.015 * spread[5],
        t_gain=1 + 0.05 * spread[6],
        st_gain=1 + 0.08 * rng.standard_normal(),
    )
    return Beat(time, kind, int(rng.integers(0, 2)), rr_s, with_p, variation)

"""What a bundle is, in words: classes, leads, limits, and what it learnt from."""

from __future__ import annotations

from beatlens.prediction.bundle import Bundle


def describe(bundle: Bundle) -> str:
    """Say what a bundle is, a line a matter.

    Parameters
    ----------
    bundle
        Of `load_bundle`.

    Examples
    --------
    >>> from beatlens.api import describe, load_bundle
    >>> print(describe(load_bundle()).splitlines()[0])
    classes    N, S, V
    """
    signal, geometry = bundle.signal, bundle.geometry
    low, high = signal["band_hz"]
    extent = f"{geometry.before / geometry.fs:g} s before to {geometry.after / geometry.fs:g} s after R"
    versions = ", ".join(f"{name} {version}" for name, version in bundle.provenance.get("versions", {}).items())
    lines = {
        "classes": ", ".join(bundle.classes),
        "leads": f"{', '.join(bundle.leads)}, those of them that a record has",
        "signal": f"{signal['fs']:g} Hz, {low:g} to {high:g} Hz",
        "beat": f"{extent}, with {bundle.context} beats of context",
        "detector": str(bundle.rpeaks.get("detector", "unknown")),
        "prototypes": ", ".join(f"{(bundle.bank.labels == name).sum()} {name}" for name in bundle.classes),
        "origin": bundle.origin.words() if bundle.origin else "nothing is known of what it learnt from",
        "made with": versions or "unknown versions",
    }
    return "\n".join(f"{name:<11}{text}" for name, text in lines.items())

"""beatlens: trained, calibrated ECG beat classifiers with explanations that are tested before they are shown."""

__version__ = "0.2.0"

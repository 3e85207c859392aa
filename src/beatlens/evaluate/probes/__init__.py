"""Probes of explainers: randomised weights, noise, an injected artefact."""

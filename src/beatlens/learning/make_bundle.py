"""From what training wrote to the bundle: calibration, review limits, origin, and what familiar records look like."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from beatlens.decision.settings import ReviewSettings
from beatlens.inputs.network_inputs import InputSpec
from beatlens.learning.fit_decision import fit_decision
from beatlens.learning.held_out import HeldOut
from beatlens.models.settings import NetworkConfig
from beatlens.prediction.bundle import Bundle
from beatlens.prediction.bundled_sections import decided_sections
from beatlens.prediction.familiar_records import fit_familiar
from beatlens.prediction.origin import held_out_scores, origin_of
from beatlens.shards.record_table import records_digest

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)


def bundle_model(
    records: pd.DataFrame,
    spec: InputSpec,
    *,
    weights: Mapping[str, npt.NDArray[Any]],
    model: Mapping[str, Any],
    held_out: HeldOut,
    settings: Mapping[str, Any],
    scales: pd.DataFrame,
) -> Bundle:
    """Calibrate a trained model and make its bundle.

    Parameters
    ----------
    records
        The table ``records.tsv``.
    spec
        How inputs are made.
    weights, model, held_out
        What training wrote.
    settings
        Sections ``review``, ``rpeaks``, ``quality`` and ``corpora`` of the configuration.
    scales
        Table of lead scales of the records, as shards have them: corpus, record, leads, lead_scale.

    Raises
    ------
    ValueError
        Where the records aren't those of the training.
    """
    digest = records_digest(records)
    if digest != model["corpora_digest"]:
        raise ValueError(f"records of digest {digest}; expected those of the training, {model['corpora_digest']}")
    trained = model["settings"]
    weighted = trained["training"]["class_weight_power"] > 0
    review = ReviewSettings.read(settings["review"])
    decision = fit_decision(held_out, review, weighted=weighted)
    probability = decision.calibration.probabilities(held_out.logits)
    scores = held_out_scores(
        probability.argmax(axis=1), held_out.target, held_out.patient, spec.classes, int(trained["seed"])
    )
    origin = origin_of(records, settings["corpora"], model["training"]["n_beats"], spec.leads, scores)
    logger.info("%s", origin.words())
    far = decision.thresholds.far(probability, held_out.distance)
    familiar = fit_familiar(records, scales, spec.leads, far, held_out.patient)
    decided = decided_sections({**settings, **trained})
    provenance = {
        "seed": int(trained["seed"]),
        "saved_epoch": model["saved_epoch"],
        "training_settings": trained["training"],
        "review_settings": settings["review"],
        "training": model["training"],
        "training_device": model["device"],
        "calibration": decision.reached,
        "split": model["split"],
        "corpora_digest": digest,
        "versions": model["versions"],
    }
    config = NetworkConfig.from_json(model["network"])
    return Bundle(
        spec=spec,
        network_config=config,
        weights=weights,
        calibration=decision.calibration,
        thresholds=decision.thresholds,
        conformal=decision.conformal,
        signal=decided["signal"],
        provenance=provenance,
        rpeaks=decided["rpeaks"],
        quality=decided["quality"],
        origin=origin,
        familiar=familiar,
    )

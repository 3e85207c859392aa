"""Watching a training: what is called after each epoch, and the files that it leaves."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from torch import nn

from beatlens.core import claims
from beatlens.core.files import atomic_path, write_arrays, write_table
from beatlens.explain.watch import attention
from beatlens.explain.watch.cohort import Cohort, choose_cohort
from beatlens.explain.watch.drift import drift_table
from beatlens.explain.watch.layers import find_layers, undisturbed
from beatlens.explain.watch.maps import MAKERS as ACTIVATION_MAKERS
from beatlens.explain.watch.maps import Forward, Pass
from beatlens.explain.watch.settings import OF_ACTIVATIONS, WatchSettings
from beatlens.learning.objective import forward as take_batch
from beatlens.learning.train_and_bundle import TrainingJob
from beatlens.models.crossmodal import CrossModalNet

logger = logging.getLogger(__name__)

MAKERS = {**ACTIVATION_MAKERS, **attention.MAKERS}
COHORT, DRIFT, FOLDER = "cohort.npz", "drift.csv", "watch_of_"


class Watch:
    """Explains a few beats after each epoch, for every class; a callback of the training.

    The network's weights, modes and torch's generators are left as they are, so that training gives the same bits.

    Parameters
    ----------
    cohort
        The beats.
    settings
        Section ``watch``.
    epochs
        After which epochs.
    folder, output
        Where ``<epoch>.npz`` is written as soon as the epoch is over, and where all is written in the end.
    forward
        How a network takes the training loop's batches: any network goes that has such a function.
    """

    def __init__(
        self,
        cohort: Cohort,
        settings: WatchSettings,
        *,
        epochs: Sequence[int],
        folder: Path,
        output: Path,
        forward: Forward = take_batch,  # type: ignore[assignment]
    ) -> None:
        self.cohort, self.settings, self.epochs = cohort, settings, epochs
        self.folder, self.output, self._forward = folder, output, forward
        self._layers: tuple[str, ...] | None = None

    def __call__(self, epoch: int, network: nn.Module) -> None:
        """Make the maps after an epoch that is watched."""
        if epoch in self.epochs:
            claims.check()  # a job that was replaced makes no folder anew
            write_arrays(self.folder / f"{epoch}.npz", self.arrays(epoch, network))

    def arrays(self, epoch: int, network: nn.Module) -> dict[str, npt.NDArray[np.generic]]:
        """Return what the file of an epoch holds, by name.

        Each kind of map that ``watch.methods`` says: maps (N, K, L, P) of beats, classes, leads and positions.
        ``<method>_time_s`` (P,): seconds of the positions after R. ``<method>_absent``: why there is no map of some, or
        "". ``<method>_elsewhere`` (N, K), of attention: share of the mass on other beats. ``probabilities`` (N, K)
        before calibration. ``cases``, ``labels``, ``classes``, ``leads``, ``fs``, ``epoch``, ``layers``.
        """
        kinds = self.settings.kinds(attention=isinstance(network, CrossModalNet))
        with undisturbed(network):
            if self._layers is None:
                self._layers = self._mapped(network, kinds)
                logger.info("watching %d beats by %s", len(self.cohort.cases), ", ".join((*kinds, *self._layers)))
            passed = Pass(network, self.cohort.batch, forward=self._forward, layers=self._layers)
            found = {name: MAKERS[name](passed) for name in kinds}
            logits = passed.class_logits.astype(np.float64)
        exponential = np.exp(logits - logits.max(axis=1, keepdims=True))
        cohort = self.cohort
        result: dict[str, npt.NDArray[np.generic]] = {
            "epoch": np.array(epoch),
            "layers": np.array(self._layers, dtype=np.str_),
            "fs": np.array(cohort.fs),
            "probabilities": exponential / exponential.sum(axis=1, keepdims=True),
            **{
                name: np.array(getattr(cohort, name), dtype=np.str_) for name in ("cases", "labels", "classes", "leads")
            },
        }
        length = cohort.signal.shape[2]
        for name, maps in found.items():
            if maps.absent:
                logger.warning("epoch %d: %s: %s", epoch, name, maps.absent)
            positions = maps.values.shape[3]
            centre = (np.arange(positions) + 0.5) * length / positions - 0.5
            result |= {
                name: maps.values,
                f"{name}_time_s": (centre - cohort.before) / cohort.fs,
                f"{name}_absent": np.array(maps.absent),
                **({} if maps.elsewhere is None else {f"{name}_elsewhere": maps.elsewhere}),
            }
        return result

    def _mapped(self, network: nn.Module, kinds: Sequence[str]) -> tuple[str, ...]:
        """Return the layers that class-activation maps are made of, none where there are no such maps."""
        if not set(kinds) & set(OF_ACTIVATIONS):
            return ()
        whole = Pass(network, self.cohort.batch, forward=self._forward, layers=())
        return find_layers(network, lambda: whole.logits(differentiable_inputs=True), self.settings.layer)

    def hand_over(self) -> None:
        """Write the cohort, the maps of all epochs and their drift to `output`, once the training is over.

        Raises
        ------
        ValueError
            Where the maps of an epoch are missing: someone removed them while the training was interrupted.
        """
        files = [self.folder / f"{epoch}.npz" for epoch in self.epochs]
        for file in files:
            if not file.is_file():
                raise ValueError(
                    f"{file}: missing, though the training went on after that epoch; expected it beside the state of "
                    "the training: remove that state to train anew"
                )
        self.cohort.save(self.output / COHORT)
        for file in files:
            with atomic_path(self.output / file.name) as temporary:
                shutil.copyfile(file, temporary)
        write_table(self.output / DRIFT, drift_table(files))


def watch_training(job: TrainingJob, output: Path) -> Watch:
    """Return what watches a training by its section ``watch``, and in the end writes to `output`.

    Until then maps lie in a folder beside the training's state, so that a training that is gone on with has them. The
    folder bears the training's key: maps of another training are never taken for its own.
    """
    if job.state_path is None:
        raise ValueError("watch: a training without a state; expected the path of one, beside which maps lie")
    settings = WatchSettings.read(job.settings["watch"])
    folder = job.state_path.with_name(f"{FOLDER}{job.key[:16]}")
    _clear(job.state_path, but=folder)
    seed = job.settings["seed"]
    cohort = choose_cohort(job.shards, job.records, job.spec, cases=settings.cases, seed=seed)
    return Watch(cohort, settings, epochs=settings.epochs(job.training.epochs), folder=folder, output=output)


def clear_state(state_path: Path) -> None:
    """Remove the state of a training that is over, and the maps beside it."""
    state_path.unlink(missing_ok=True)
    _clear(state_path)


def _clear(state_path: Path, but: Path | None = None) -> None:
    for folder in state_path.parent.glob(f"{FOLDER}*"):
        if folder != but:
            shutil.rmtree(folder)

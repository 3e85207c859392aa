"""The configuration as a whole: the options on top, and the sections, whose settings stand in the rooms that use them.

No stage program imports this module, so that an option of one section reruns nothing that another section decides.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from beatlens.alerts.settings import AlertSettings
from beatlens.beats.settings import BeatSettings
from beatlens.core.allowed import Allowed, NonNegativeInt, PositiveInt, Share, Text
from beatlens.core.leads import UsedLead
from beatlens.core.options import Settings
from beatlens.corpora.settings import CorpusSettings
from beatlens.corpora.synthetic.settings import SyntheticSettings
from beatlens.decision.settings import ReviewSettings
from beatlens.evaluate.probes.settings import ProbeSettings
from beatlens.evaluate.settings import EvaluateSettings
from beatlens.explain.case.settings import CaseSettings
from beatlens.explain.diagnoses.settings import DiagnosisExplanationSettings
from beatlens.explain.result.settings import FusionSettings
from beatlens.explain.settings import ExplainSettings
from beatlens.explain.watch.settings import WatchSettings
from beatlens.figures.settings import FigureSettings
from beatlens.inputs.settings import LookAlikeSettings
from beatlens.learning.diagnoses.settings import DiagnosisSettings
from beatlens.learning.settings import TrainingSettings
from beatlens.models.settings import ModelSettings
from beatlens.prediction.settings import StripSettings
from beatlens.prototypes.settings.library import LibrarySettings
from beatlens.prototypes.settings.prototypes import PrototypeSettings
from beatlens.prototypes.settings.seed_mining import SeedMiningSettings
from beatlens.report.settings import ReportSettings
from beatlens.selection.settings import SelectSettings
from beatlens.shards.settings import SplitSettings
from beatlens.signals.settings.quality import QualitySettings
from beatlens.signals.settings.rpeaks import RPeakSettings
from beatlens.signals.settings.signal import SignalSettings

RunName = Annotated[str, Allowed(pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
ClassId = Annotated[str, Allowed(pattern="^[A-Za-z][A-Za-z0-9_]{0,31}$")]
_SYNTHETIC = CorpusSettings(name="synthetic", format="synthetic", role="train", labels="config/labels/synthetic.csv")


@dataclass(frozen=True)
class Configuration(Settings, section=""):
    """Configuration of beatlens."""

    run: RunName = "demo"
    """Name of the run; its results go to `results/<run>/`."""

    seed: NonNegativeInt = 1
    """Seed that every random number of the run derives from."""

    data_dir: Text = "data"
    """Folder of the corpora, each at `<data_dir>/<name>`. It is relative to the working directory, or absolute. The
    environment variable `BEATLENS_DATA` wins over it."""

    bundle: Text | None = None
    """Folder of a trained bundle, or null to train one. With a bundle nothing is mined or trained, and the bundle
    decides `classes`, `leads`, `signal`, `rpeaks` (except `match_s`, which only scores), `beats` and `quality`: a
    configuration that states another value is refused."""

    allow_made_bundle: bool = False
    """Whether a bundle that learnt from made records alone may be used on real recordings. It is refused otherwise.
    Every page then warns of it."""

    shards: Annotated[int, Allowed(minimum=1, maximum=4096)] | Literal["auto"] = 2
    """Number of jobs that a sharded stage is cut into, or `auto` (by number and size of the records). A record's shard
    depends on its name alone, and no result depends on the number of shards."""

    compute_threads: PositiveInt = 1
    """Threads of the numeric libraries in a job. With another number, sums are rounded differently in the last bits."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where networks run; `auto` takes CUDA where there is one."""

    max_bad_fraction: Share = 0.2
    """Share of unusable records above which the run ends. Only records of the roles train, test and noise count;
    records to predict never end it."""

    targets: Annotated[tuple[Literal["beats", "diagnoses"], ...], Allowed(minItems=1, uniqueItems=True)] = ("beats",)
    """What is learnt and predicted: classes of `beats`, from annotated beats, or `diagnoses` of records, from labels of
    records, or both. With `diagnoses` alone, nothing of the beats' branch is made."""

    corpora: Annotated[tuple[CorpusSettings, ...], Allowed(minItems=1)] = (_SYNTHETIC,)
    """The corpora of the run, a list of entries. README.md beside this file describes their keys."""

    synthetic: SyntheticSettings = SyntheticSettings()

    classes: Annotated[tuple[ClassId, ...], Allowed(minItems=2, uniqueItems=True)] = (
        *("N", "S", "V"),
        *("RBBB", "LBBB", "STE"),
    )
    """Beat classes that the classifier learns, by the ids of the label tables. Beats of other classes are not trained
    on."""

    leads: Annotated[tuple[UsedLead, ...], Allowed(minItems=1, uniqueItems=True)] = (
        *("I", "II", "III"),
        *("aVR", "aVL", "aVF"),
        *("V1", "V2", "V3", "V4", "V5", "V6"),
    )
    """Leads that are used where a record has them, by name. With `unknown` (and `unknown (2)`, `unknown (3)`) also
    those that are none of the twelve, by their place in the file; the network tells them apart from the twelve, not
    from one another."""

    signal: SignalSettings = SignalSettings()
    rpeaks: RPeakSettings = RPeakSettings()
    beats: BeatSettings = BeatSettings()
    quality: QualitySettings = QualitySettings()
    split: SplitSettings = SplitSettings()
    prototypes: PrototypeSettings = PrototypeSettings()
    library: LibrarySettings = LibrarySettings()
    model: ModelSettings = ModelSettings()
    look_alikes: LookAlikeSettings = LookAlikeSettings()
    training: TrainingSettings = TrainingSettings()
    diagnoses: DiagnosisSettings = DiagnosisSettings()
    diagnosis_explanations: DiagnosisExplanationSettings = DiagnosisExplanationSettings()
    watch: WatchSettings = WatchSettings()
    select: SelectSettings = SelectSettings()
    review: ReviewSettings = ReviewSettings()
    strips: StripSettings = StripSettings()
    alerts: AlertSettings = AlertSettings()
    seed_mining: SeedMiningSettings = SeedMiningSettings()
    cases: CaseSettings = CaseSettings()
    explain: ExplainSettings = ExplainSettings()
    fusion: FusionSettings = FusionSettings()
    evaluate: EvaluateSettings = EvaluateSettings()
    probes: ProbeSettings = ProbeSettings()
    figures: FigureSettings = FigureSettings()
    report: ReportSettings = ReportSettings()

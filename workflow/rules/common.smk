# The configuration, the record sheet, and the functions that rules use.
import os
import shlex
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger
from snakemake.settings.types import DeploymentMethod

ROOT = Path(workflow.current_basedir.get_path_or_uri(secret_free=True)).parents[1]
if str(ROOT / "src") not in sys.path:
    sys.path.insert(0, str(ROOT / "src"))

from beatlens.config.load import candidate_config, load_config, merge, sections, typed_entries
from beatlens.config.cross_checks import WITH_ATTENTION, find_file
from beatlens.explain.settings import OF_ATTENTION
from beatlens.explain.watch.settings import WatchSettings
from beatlens.run.fingerprint import fingerprint
from beatlens.run.job_log import shorten
from beatlens.config.strict_yaml import read_yaml

MAIN_SNAKEFILE = workflow.modifier.is_main_snakefile()  # not imported by another workflow as a module
try:
    for file in workflow.config_settings.configfiles if MAIN_SNAKEFILE else []:
        read_yaml(file)  # Snakemake has read it already, and takes the last of two keys
    GIVEN = merge(config, typed_entries(workflow.config_settings.config_args or [])) if MAIN_SNAKEFILE else config
    CONFIG = load_config(GIVEN, ROOT, Path.cwd())
except ValueError as error:
    raise WorkflowError(str(error)) from None

PLACES = [Path.cwd(), ROOT]
RESULTS = f"results/{CONFIG['run']}"
CORPORA = {corpus["name"]: corpus for corpus in CONFIG["corpora"]}
METHODS = CONFIG["explain"]["methods"]
# Records of a corpus to predict are never scored, with labels or without.
LABELLED = any(
    corpus.get("labels") or corpus.get("reviewed") for corpus in CORPORA.values() if corpus["role"] in {"train", "test"}
)
GPU = int(CONFIG["device"] == "cuda")
SHARD_FILES = (
    "signals.npy",
    "records.parquet",
    "beats.parquet",
    "beats_annotated.parquet",
    "truth.parquet",
    "stretches.parquet",
    "rhythms.parquet",
    "remarks.tsv",
    "status.tsv",
)
BUNDLE = CONFIG["bundle"] or f"{RESULTS}/model/bundle"
if CONFIG["bundle"] and not Path(BUNDLE).exists():
    BUNDLE = str(find_file(BUNDLE, PLACES))
for place, expanded in ((str(ROOT), "{}"), (BUNDLE, "{}<>")):
    if set(expanded) & set(place):
        raise WorkflowError(
            f"{place}: Snakemake expands {' '.join(expanded)} in such a path; expected one without them"
        )
BUNDLE_FILES = [f"{BUNDLE}/{name}" for name in ("bundle.json", "weights.npz", "prototypes.npz")]


if MAIN_SNAKEFILE and not workflow.output_settings.verbose:  # --verbose says all
    logger.addFilter(shorten)

# Snakemake leaves params functions that take `input` out of what reruns a job: the right place for paths of this
# machine and for arguments that follow from the inputs.


def options(flag, pairs):
    """Return a params function: an option with NAME=PATH values, nothing where there are none."""
    text = " ".join(shlex.quote(f"{name}={path}") for name, path in pairs)
    return lambda wildcards, input: f"{flag} {text}" if text else ""


def option(flag, path):
    """Return a params function: an option with a file that the configuration names, nothing for null."""
    text = f"{flag} {shlex.quote(str(find_file(path, PLACES)))}" if path else ""
    return lambda wildcards, input: text


def seed_table(wildcards):
    """Return the table of beats to look for, which the target seeds can't do without."""
    table = CONFIG["seed_mining"]["table"]
    if table is None:
        raise WorkflowError("seed_mining.table is null; expected a CSV of beat_id,label whose beats are looked for")
    return str(find_file(table, PLACES))


def by_method(name):
    """Return a params function: ``--methods NAME=FOLDER ...`` from a named input's folders."""
    pairs = lambda folders: " ".join(shlex.quote(f"{Path(folder).name}={folder}") for folder in as_list(folders))
    return lambda wildcards, input: f"--methods {pairs(input[name])}"


def folders(name):
    """Return a params function: the folders of a named input's files, each once, in order."""
    return lambda wildcards, input: list(dict.fromkeys(str(Path(file).parent) for file in as_list(input[name])))


def as_list(value):
    """Return a named input as a list, whether it is one file or several."""
    return [value] if isinstance(value, str) else list(value)


def memory(megabytes):
    """Return a resource function: more memory at each attempt."""
    return lambda wildcards, attempt: megabytes * attempt


def program(name):
    """Return a params function: the command that runs a program, with its environment, whole enough to be pasted.

    Numeric threads are those of the configuration, never those of the job, so that results have the same bits on any
    number of cores. The malloc limits keep large torch batches from giving memory back between operations.
    """
    threads = CONFIG["compute_threads"]
    libraries = ("OMP", "MKL", "OPENBLAS", "NUMEXPR", "VECLIB")
    suffixes = {"VECLIB": "MAXIMUM_THREADS"}
    values = {f"{library}_{suffixes.get(library, 'NUM_THREADS')}": threads for library in libraries} | {
        "OMP_WAIT_POLICY": "PASSIVE",
        "MALLOC_MMAP_THRESHOLD_": 4294967296,
        "MALLOC_TRIM_THRESHOLD_": 8589934592,
        "MALLOC_TOP_PAD_": 268435456,
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
        "PYTHONHASHSEED": 0,
        "MPLBACKEND": "Agg",
        "MPLCONFIGDIR": ".snakemake/matplotlib",
        "PYTHONPATH": ROOT / "src",
    }
    with_conda = DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method
    python = "python" if with_conda else sys.executable
    words = ["env", *(f"{key}={value}" for key, value in values.items()), python, str(ROOT / "scripts" / f"{name}.py")]
    command = " ".join(map(shlex.quote, words))
    return lambda wildcards, input: command

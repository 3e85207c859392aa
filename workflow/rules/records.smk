# The record sheet: which records there are, read or updated when the graph is built, and how they fall into shards.
import json
import math
from dataclasses import asdict
from functools import cache

from beatlens.core.options import OptionError
from beatlens.corpora.index import corpus_folder, downloaded, update_sheet
from beatlens.corpora.downloads.interrupted import tries
from beatlens.corpora.record_sheet import read_sheet, shard_digest, used_shards
from beatlens.explain.case.settings import CaseSettings, record_problems

NAMED = CaseSettings.read(CONFIG["cases"])


def folder_of(corpus):
    """Return the folder of a corpus: in the data folder, or where made and downloaded records go."""
    return corpus_folder(CORPORA[corpus], CONFIG["data_dir"], "results")


MADE_CORPORA = [
    name
    for name, corpus in CORPORA.items()
    if corpus["format"] == "synthetic" and folder_of(name) == Path("results", "corpora", name)
]

# A run that uses this workflow as a module, or a job of a cluster, must never write the record sheet.
MAIN_PROCESS = workflow.is_main_process and MAIN_SNAKEFILE


def executes():
    """Tell whether jobs will really run: no dry run, --touch, --lint, --unlock, --dag, --report and the like.

    Those never set an executor, or set one that does nothing; it is known once the graph is built, not at parse.
    """
    return workflow.executor_plugin is not None and not (workflow.dryrun or workflow.touch)


@cache
def record_rows():
    """Return the record sheet, brought up to date on disk where jobs of this workflow run, else in memory only."""
    path = Path(RESULTS, "record_sheet.tsv")
    if not workflow.is_main_process and path.exists():
        return read_sheet(path)
    output = path if MAIN_PROCESS and executes() else None
    try:
        rows = update_sheet(
            CONFIG["corpora"], output, CONFIG["data_dir"], "results", synthetic=CONFIG["synthetic"], previous=path
        )
        if workflow.is_main_process and executes() and not MAIN_SNAKEFILE and not holds(path, rows):
            program = f"{ROOT}/scripts/index_records.py"
            command = shlex.join([sys.executable, program, "--config", "CONFIGFILE", "--output", str(path)])
            raise WorkflowError(
                f"{path} is missing or older than the corpora, and beatlens as a module never writes it. Bring it up "
                f"to date: {command}"
            )
        unknown = list(record_problems(NAMED, [f"{row.corpus}/{row.record}" for row in rows if not row.reason]))
        if unknown:
            raise OptionError(unknown)
    except (ValueError, TimeoutError) as error:
        raise WorkflowError(str(error)) from None
    return rows


def holds(path, rows):
    """Tell whether the sheet on disk has these records with these contents, whatever their time stamps."""
    content = lambda row: (row.corpus, row.record, row.role, row.sha256, row.reason)
    return path.exists() and set(map(content, read_sheet(path))) == set(map(content, rows))


@cache
def n_shards():
    """Return the number of shards; `auto` gives powers of two, so that it changes rarely as a corpus grows."""
    if CONFIG["shards"] != "auto":
        return CONFIG["shards"]
    known = sum(row.bytes for row in record_rows() if row.format != "synthetic")  # made ones have no size at first
    wanted = max(len(record_rows()) / 500, known / 32e6, 1)
    return min(64, 1 << (math.ceil(wanted) - 1).bit_length())


def every_shard(*names, folder="preprocess"):
    """Return an input function: these files of all shards that hold records."""
    shards = lambda: [f"{shard}of{n_shards()}" for shard in used_shards(record_rows(), n_shards())]
    return lambda wildcards: [f"{RESULTS}/{folder}/{shard}/{name}" for shard in shards() for name in names]


def every_index(folder):
    """Return an input function: an index a shard that holds records, of what its job wrote into a folder."""
    shards = lambda: used_shards(record_rows(), n_shards())
    return lambda wildcards: [f"{RESULTS}/{folder}/{shard}of{n_shards()}.tsv" for shard in shards()]


def every_archive(method, folder="explanations"):
    """Return an input function: a method's archives of explanations, one a shard."""
    shards = lambda: used_shards(record_rows(), n_shards())
    return lambda wildcards: [f"{RESULTS}/{folder}/shards/{method}/{k}of{n_shards()}.zip" for k in shards()]


def rhythm_table():
    """Return the table of episodes of rhythms, which the target `rhythms` makes, where it has been made."""
    return [file for file in [f"{RESULTS}/predictions/rhythms.parquet"] if Path(file).exists()]


def this_shard(*names):
    """Return the preprocessed files of the job's shard, as input patterns."""
    return [f"<results>/preprocess/{{shard}}/{name}" for name in names]


def digest(wildcards):
    """Return what the job's shard holds: a digest of its records' contents."""
    shard, shards = map(int, wildcards.shard.split("of"))
    return shard_digest(record_rows(), shard, shards)


def interrupted(wildcards):
    """Return how often downloads of the job's shard are tried again: once more reruns it."""
    return tries_of(wildcards.shard)


@cache
def tries_of(shard):
    """Return the number as it was before any job of this process."""
    return tries(Path(RESULTS, "preprocess", shard), remotes())


@cache
def remotes():
    """Return where corpora are downloaded from, by name."""
    try:
        return downloaded(CONFIG["corpora"], CONFIG["data_dir"])
    except ValueError as error:
        raise WorkflowError(str(error)) from None


def remote_settings():
    """Return a params function: where corpora are downloaded from, by corpus, as JSON."""
    text = json.dumps({name: asdict(remote) for name, remote in remotes().items()})
    return lambda wildcards, input: text


# Jobs on other machines find the corpora where this process does.
if "BEATLENS_DATA" in os.environ:

    envvars:
        "BEATLENS_DATA",

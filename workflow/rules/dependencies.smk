# Beside its inputs, what a job depends on - sections of the configuration, code, and tables by their content.
import hashlib
import json

from beatlens.corpora.formats.ptb_xl import TABLE
from beatlens.corpora.formats.rules import told_rules
from beatlens.figures.settings import LookSettings

LOOK = [f"figures.{name}" for name in LookSettings.types()]


def settings(*names):
    """Return a params function: sections of the configuration as JSON, so that no other section reruns the rule."""
    return lambda wildcards: sections(CONFIG, *names)


def code(program):
    """Return the hash of what a program runs; see beatlens.run.fingerprint."""
    return fingerprint(ROOT / "scripts" / f"{program}.py", ROOT / "src" / "beatlens")


def file_digest(path):
    """Return the digest of a file that the configuration names: its content, since a clone's time stamps are new."""
    return "" if path is None else hashlib.sha256(find_file(path, PLACES).read_bytes()).hexdigest()[:16]


def tables(key):
    """Return the digests of the label or patient tables, corpus by corpus."""
    return [f"{name} {file_digest(corpus.get(key))}" for name, corpus in CORPORA.items()]


def reviewed_tables():
    """Return the tables of decisions that corpora name, by corpus."""
    named = {name: corpus["reviewed"] for name, corpus in CORPORA.items() if corpus.get("reviewed")}
    return {name: [str(find_file(table, PLACES)) for table in tables] for name, tables in named.items()}


def reviewed_digests():
    """Return the digests of the tables of decisions, by corpus."""
    return {name: [file_digest(table) for table in tables] for name, tables in reviewed_tables().items()}


def probe_tables():
    """Return the tables of the target sanity that have been made."""
    files = [f"{RESULTS}/metrics/{name}.csv" for name in ("sanity", "stability")]
    return [file for file in files if Path(file).exists()]


def named_tables(key):
    """Return (corpus, file) of the label or patient tables that corpora name."""
    named = [(name, corpus.get(key)) for name, corpus in CORPORA.items()]
    return [(name, find_file(table, PLACES)) for name, table in named if table]


def strip_settings():
    """Return what corpora of strips don't say of themselves, by corpus, as JSON."""
    names = ("fs", "duration_s", "lead", "units_per_mv")
    strips = {name: corpus for name, corpus in CORPORA.items() if corpus["format"] == "strips"}
    return json.dumps({n: {k: c[k] for k in names if c.get(k) is not None} for n, c in strips.items()}, sort_keys=True)


def reading_rules():
    """Return what names in the files of corpora mean, by corpus, as JSON."""
    return json.dumps(told_rules(CORPORA.values()), sort_keys=True)


def originals():
    """Return the digest of PTB-XL's table where the Challenge's copies of its records take their patients from it."""
    names = {entry["ptb_xl"] for entry in told_rules(CORPORA.values()).values() if "ptb_xl" in entry}
    tables = [folder_of(name) / TABLE for name in sorted(names)]
    return [file_digest(table) for table in tables if table.is_file()]


def bundle_settings(wildcards):
    """Return what a bundle is made by beside the trained network, as JSON: of corpora what it says of its origin."""
    names = ("name", "format", "licence", "attribution", "reviewed")
    corpora = [{name: corpus[name] for name in names if name in corpus} for corpus in CORPORA.values()]
    return sections({**CONFIG, "corpora": corpora}, "review", "rpeaks", "quality", "corpora")


def diagnosis_bundle_settings(wildcards):
    """Return what a bundle of diagnoses is made by, as JSON: of corpora what it says of its origin."""
    names = ("name", "format", "licence", "attribution")
    corpora = [{name: corpus[name] for name in names if name in corpus} for corpus in CORPORA.values()]
    made_by = "diagnoses review signal rpeaks beats quality leads seed compute_threads corpora".split()
    return sections({**CONFIG, "corpora": corpora}, *made_by)


def explain_settings(method):
    """Return the settings of one explainer: what all share, and its own section."""
    own = {"methods"} | {name for name, value in CONFIG["explain"].items() if isinstance(value, dict)}
    shared = [f"explain.{name}" for name in CONFIG["explain"] if name not in own]
    section = [f"explain.{name}" for name in sorted(own - {"methods"}) if method.startswith(name)]  # attention_rollout
    return sections(CONFIG, *shared, *section, "seed", "device", "compute_threads")


def training_key(trainer="train", own=None):
    """Return a digest of all that a trained network may depend on, which its epoch state must match."""
    parts = [code(name) for name in ("make_corpus", "preprocess", "split", "mine_prototypes", trainer)]
    parts += [
        own or sections(CONFIG, *(name for name in CONFIG if name not in {"report", "figures"})),
        *tables("labels"),
        *tables("patients"),
        json.dumps(reviewed_digests(), sort_keys=True),
    ]
    parts += [file_digest(CONFIG[name]["table"]) for name in ("split", "select")] + [shard_digest(record_rows(), 0, 1)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def candidate_settings(wildcards):
    """Return what the networks of a candidate of the selection are trained with, as JSON."""
    changed = {**candidate_config(CONFIG, wildcards.candidate), "seed": int(wildcards.seed)}
    return sections(changed, *TRAINING_SECTIONS, "prototypes", "split", "select.folds")


def diagnosis_candidate_settings(wildcards):
    """Return what the networks of diagnoses of a candidate are trained with, as JSON."""
    changed = {**candidate_config(CONFIG, wildcards.candidate), "seed": int(wildcards.seed)}
    return sections(changed, "diagnoses", "signal", "beats", "seed", "compute_threads", "select.folds")


def candidate_predictions(folder):
    """Return an input function: predictions of every candidate and seed, in the order of the configuration."""

    def files(wildcards):
        names = [candidate["name"] for candidate in CONFIG["select"]["candidates"]]
        if not names:
            raise WorkflowError(
                "select.candidates is empty; expected candidates to choose from, as in config/mitdb-dev.yaml"
            )
        return [f"{RESULTS}/{folder}/{name}/{seed}.parquet" for name in names for seed in CONFIG["select"]["seeds"]]

    return files


def by_candidate(wildcards, input):
    """Return CANDIDATE/SEED=FILE of predictions of candidates."""
    return [f"{Path(file).parent.name}/{Path(file).stem}={file}" for file in input.predictions]


def diagnosis_files(wildcards, input):
    """Return the arguments for the tables that training reads, which its params hold by content."""
    return shlex.join(["--weights", CHALLENGE_WEIGHTS, "--tables", *(str(file) for _, file in DIAGNOSIS_TABLES)])


def fold_bundles(input):
    """Return the option with the bundles of folds; nothing with a given bundle, which has none."""
    return shlex.join(["--folds", *(str(Path(file).parent) for file in as_list(input.folds))]) if input.folds else ""

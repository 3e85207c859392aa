# The manifest of everything a run made, and the check that nothing was damaged since.
TRAINED = not CONFIG["bundle"]

# By the rule that makes them: what beats ask for, and what diagnoses ask for.
BEAT_ARTEFACTS = {
    "mine_prototypes": PROTOTYPES if TRAINED else [],
    "train_network": (
        [
            "<results>/model/training/weights.npz",
            "<results>/model/training/model.json",
            *([] if FOLDS else ["<results>/model/training/held_out.npz"]),
            "<results>/model/history.csv",
            *WATCH_FILES,
        ]
        if TRAINED
        else []
    ),
    "train_fold": [f"<results>/model/training/held_out_{fold}.npz" for fold in range(FOLDS) if TRAINED],
    "gather_held_out": ["<results>/model/training/held_out.npz"] if TRAINED and FOLDS else [],
    "make_bundle": BUNDLE_FILES if TRAINED else [],
    "predict_shard": every_shard(
        "beats.parquet",
        "beats_annotated.parquet",
        "look_alikes.parquet",
        "remarks.tsv",
        folder="predictions/shards",
    ),
    "gather_predictions": [*PREDICTIONS, *NOTES],
    "aggregate_strips": expand("<results>/predictions/{table}.parquet", table=["strips", "records", "episodes"]),
    "count_holter": every_shard("holter.parquet", "hours.parquet", folder="predictions/shards"),
    "gather_holter": HOLTER,
    "export_tables": EXPORTS,
    "select_cases": "<results>/explanations/cases.csv",
    "explain_shard": lambda wildcards: [file for method in METHODS for file in every_archive(method)(wildcards)],
    "gather_explanations": expand("<results>/explanations/{method}.tsv", method=METHODS),
    "fuse": "<results>/explanations/fused.tsv",
    "describe_cases": ["<results>/explanations/words.csv", "<results>/explanations/rr_context.csv"],
    "draw_tachograms": "<results>/figures/tachograms.tsv",
    "evaluate_classification": METRICS[1:],
    "score_cases": every_shard("scores.parquet", "parts.parquet", folder="metrics/shards"),
    "evaluate_explanations": [METRICS[0], "<results>/metrics/cohort.csv"],
    "draw_cases": "<results>/figures/cases.tsv",
    "draw_findings": [f"<results>/figures/{name}.svg" for name in ("scores", "cohort", "alerts")],
    "find_alerts": ALERTS,
    "evaluate_attention": ATTENTION_FILES,
    "draw_attention": ATTENTION_FIGURES,
    "draw_model": [*GALLERIES, *(f"<results>/figures/{name}.svg" for name in MODEL_FIGURES if TRAINED)],
    "draw_watch": WATCH_FIGURES,
    "select_classes": ["<results>/explanations/classes/cases.csv"] if OTHER_CLASSES else [],
    "gather_classes": [f"<results>/explanations/classes/{method}.tsv" for method in METHODS if OTHER_CLASSES],
    "fuse_classes": ["<results>/explanations/classes/fused.tsv"] if OTHER_CLASSES else [],
    "draw_classes": CLASS_FIGURES,
    "draw_classification": [
        f"<results>/figures/{name}.svg" for name in ("confusion", "reliability", "patients") if LABELLED
    ],
    "build_report": "<results>/report.html",
    "summarise": "<results>/summary.json",
}
DIAGNOSIS_ARTEFACTS = {
    "label_diagnoses": DIAGNOSIS_LABELS,
    "measure_diagnoses": every_shard("features.npz", folder="diagnoses/shards"),
    "train_diagnosis_fold": [
        *DIAGNOSIS_OUTPUTS,
        *(f"{folder}/{name}" for folder in DIAGNOSIS_FOLD_BUNDLES for name in ("bundle.json", "arrays.npz")),
    ],
    "bundle_diagnoses": [] if CONFIG["diagnoses"]["bundle"] else DIAGNOSIS_BUNDLE_FILES,
    "predict_diagnoses": DIAGNOSIS_PREDICTIONS,
    "select_diagnosis_cases": DIAGNOSIS_CASES,
    "explain_diagnoses": expand("<results>/explanations/diagnoses/{method}.tsv", method=DIAGNOSIS_METHODS),
    "fuse_diagnoses": "<results>/explanations/diagnoses/fused.tsv",
    "evaluate_diagnoses": DIAGNOSIS_METRICS,
    "evaluate_diagnosis_explanations": [EXPLAINED_DIAGNOSES[0], "<results>/metrics/diagnosis_cohort.csv"],
    "draw_diagnosis_explanations": [*EXPLAINED_DIAGNOSES[1:]],
    "draw_diagnosis_scores": DIAGNOSIS_FIGURES,
    "build_diagnosis_report": DIAGNOSIS_PAGES,
}
GIVEN_BUNDLES = [] if TRAINED or "beats" not in CONFIG["targets"] else BUNDLE_FILES
if "diagnoses" in CONFIG["targets"] and CONFIG["diagnoses"]["bundle"]:
    GIVEN_BUNDLES = [*GIVEN_BUNDLES, *DIAGNOSIS_BUNDLE_FILES]


localrules:
    manifest,
    verify,


rule manifest:
    """List every artefact with its rule, size and sha256, with versions, commit and the reads of the test split."""
    input:
        **(BEAT_ARTEFACTS if "beats" in CONFIG["targets"] else {}),
        **(DIAGNOSIS_ARTEFACTS if "diagnoses" in CONFIG["targets"] else {}),
        write_config="<results>/run_config.yaml",
        preprocess_shard=every_shard(*SHARD_FILES),
        list_records=["<results>/status.tsv", "<results>/status.html"],
        split="<results>/records.tsv",
        build_record_pages=RECORD_PAGES,
        given_bundle=GIVEN_BUNDLES,
    output:
        manifest=ensure("<results>/manifest.json", non_empty=True),
    log:
        "<logs>/manifest.log",
    benchmark:
        "<benchmarks>/manifest.tsv"
    conda:
        "../../envs/base.yaml"
    threads: CONFIG["compute_threads"]
    resources:
        mem_mb=memory(1000),
        runtime=15,
    params:
        program=program("manifest"),
        code=code("manifest"),
        run=CONFIG["run"],
        artefacts=lambda wildcards, input: " ".join(
            shlex.quote(f"{name}={file}") for name in input.keys() for file in as_list(input[name])
        ),
        folder=lambda wildcards, output: Path(output.manifest).parent,
    shell:
        "{params.program} --artefacts {params.artefacts} --run {params.run:q} --folder {params.folder:q}"
        " --output {output.manifest:q} --log {log:q}"


rule verify:
    """Compare every artefact with the manifest; name what is damaged or missing and the command that rebuilds it."""
    log:
        "<logs>/verify.log",
    conda:
        "../../envs/base.yaml"
    threads: CONFIG["compute_threads"]
    resources:
        mem_mb=memory(500),
        runtime=15,
    params:
        program=program("verify"),
        manifest=lambda wildcards, input: f"{RESULTS}/manifest.json",
    shell:
        "{params.program} --manifest {params.manifest:q} --log {log:q}"

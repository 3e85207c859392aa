# Diagnoses of records: their labels and folds, and what networks are given of each record.
DIAGNOSIS_FOLDS = 0 if CONFIG["diagnoses"]["bundle"] else CONFIG["diagnoses"]["folds"]
DIAGNOSIS_BUNDLE = CONFIG["diagnoses"]["bundle"] or f"{RESULTS}/diagnoses/bundle"
if not Path(DIAGNOSIS_BUNDLE).exists():
    DIAGNOSIS_BUNDLE = str(find_file(DIAGNOSIS_BUNDLE, PLACES) or DIAGNOSIS_BUNDLE)
DIAGNOSIS_BUNDLE_FILES = [f"{DIAGNOSIS_BUNDLE}/{name}" for name in ("bundle.json", "arrays.npz")]
SHARED_ENCODER = None if CONFIG["diagnoses"]["bundle"] else CONFIG["diagnoses"]["encoder"]
SHARED_ENCODER_FILES = [find_file(SHARED_ENCODER, PLACES) / "bundle.json"] if SHARED_ENCODER else []
DIAGNOSIS_LABELS = "<results>/diagnoses/labels.parquet"
DIAGNOSIS_OUTPUTS = [f"<results>/diagnoses/folds/{fold}.npz" for fold in range(DIAGNOSIS_FOLDS)]
DIAGNOSIS_FOLD_BUNDLES = [f"<results>/diagnoses/folds/{fold}" for fold in range(DIAGNOSIS_FOLDS)]
DIAGNOSIS_PREDICTIONS = ["<results>/predictions/diagnoses.parquet", "<results>/predictions/diagnoses_leads.parquet"]
DIAGNOSIS_TABLES = named_tables("diagnoses")
DIAGNOSIS_FILES = [*DIAGNOSIS_PREDICTIONS, *DIAGNOSIS_BUNDLE_FILES] if "diagnoses" in CONFIG["targets"] else []
CHALLENGE_WEIGHTS = str(find_file("config/labels/challenge_weights.csv", PLACES))


rule label_diagnoses:
    """Say which diagnoses each record is labelled with, and in which fold its patient is."""
    input:
        shards=every_shard("records.parquet"),
        records="<results>/records.tsv",
        bundle=DIAGNOSIS_BUNDLE_FILES if CONFIG["diagnoses"]["bundle"] else [],
    output:
        labels=ensure(DIAGNOSIS_LABELS, non_empty=True),
    log:
        "<logs>/label_diagnoses.log",
    benchmark:
        "<benchmarks>/label_diagnoses.tsv"
    conda:
        "../../envs/base.yaml"
    threads: CONFIG["compute_threads"]
    resources:
        mem_mb=memory(1000),
        runtime=15,
    params:
        program=program("label_diagnoses"),
        code=code("label_diagnoses"),
        settings=settings("diagnoses", "seed"),
        table_contents=tables("diagnoses"),
        tables=options("--tables", DIAGNOSIS_TABLES),
        bundle=option("--bundle", CONFIG["diagnoses"]["bundle"]),
    shell:
        "{params.program} --records {input.shards:q} {params.tables} {params.bundle}"
        " --settings {params.settings:q} --labels {output.labels:q} --log {log:q}"


rule measure_diagnoses:
    """Measure the beats of a shard's records, the stretches between them and their rhythm, once for all networks."""
    input:
        shard=this_shard("signals.npy", "records.parquet", "beats.parquet"),
        encoder=SHARED_ENCODER_FILES,
        bundle=DIAGNOSIS_BUNDLE_FILES if CONFIG["diagnoses"]["bundle"] else [],
    output:
        features=ensure("<results>/diagnoses/shards/{shard}/features.npz", non_empty=True),
    log:
        "<logs>/measure_diagnoses/{shard}.log",
    benchmark:
        "<benchmarks>/measure_diagnoses/{shard}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG["compute_threads"]
    resources:
        mem_mb=memory(1500),
        runtime=60,
    params:
        program=program("measure_diagnoses"),
        code=code("measure_diagnoses"),
        settings=settings("signal", "beats", "leads", "compute_threads"),
        shard=folders("shard"),
        encoder=option("--encoder", SHARED_ENCODER),
        bundle=option("--bundle", CONFIG["diagnoses"]["bundle"]),
    shell:
        "{params.program} --shard {params.shard:q} {params.encoder} {params.bundle} --settings {params.settings:q}"
        " --features {output.features:q} --log {log:q}"

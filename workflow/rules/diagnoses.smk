# Diagnoses of records: labels and folds, networks without each fold, the bundle, and what is said of every record.
DIAGNOSIS_FOLDS = 0 if CONFIG["diagnoses"]["bundle"] else CONFIG["diagnoses"]["folds"]
DIAGNOSIS_BUNDLE = CONFIG["diagnoses"]["bundle"] or f"{RESULTS}/diagnoses/bundle"
if not Path(DIAGNOSIS_BUNDLE).exists():
    DIAGNOSIS_BUNDLE = str(find_file(DIAGNOSIS_BUNDLE, PLACES) or DIAGNOSIS_BUNDLE)
DIAGNOSIS_BUNDLE_FILES = [f"{DIAGNOSIS_BUNDLE}/{name}" for name in ("bundle.json", "arrays.npz")]
DIAGNOSIS_LABELS = "<results>/diagnoses/labels.parquet"
DIAGNOSIS_OUTPUTS = [f"<results>/diagnoses/folds/{fold}.npz" for fold in range(DIAGNOSIS_FOLDS)]
DIAGNOSIS_PREDICTIONS = ["<results>/predictions/diagnoses.parquet", "<results>/predictions/diagnoses_leads.parquet"]
DIAGNOSIS_TRAINING = "diagnoses beats signal leads seed compute_threads".split()
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
    shell:
        "{params.program} --shard {params.shard:q} --settings {params.settings:q} --features {output.features:q}"
        " --log {log:q}"


rule train_diagnosis_fold:
    """Train networks of diagnoses without a fold of the patients, and run them over patients not seen."""
    input:
        labels=DIAGNOSIS_LABELS,
        features=every_shard("features.npz", folder="diagnoses/shards"),
    output:
        outputs=ensure("<results>/diagnoses/folds/{fold}.npz", non_empty=True),
    log:
        "<logs>/train_diagnosis_fold/{fold}.log",
    benchmark:
        "<benchmarks>/train_diagnosis_fold/{fold}.tsv"
    wildcard_constraints:
        fold=r"\d+",
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG["compute_threads"]
    resources:
        mem_mb=memory(2000),
        runtime=120,
    params:
        program=program("train_diagnosis_fold"),
        code=code("train_diagnosis_fold"),
        settings=settings(*DIAGNOSIS_TRAINING),
    shell:
        "{params.program} --labels {input.labels:q} --features {input.features:q} --fold {wildcards.fold}"
        " --settings {params.settings:q} --outputs {output.outputs:q} --log {log:q}"


if not CONFIG["diagnoses"]["bundle"]:

    rule bundle_diagnoses:
        """Train the network of diagnoses on all training patients; fit its decision on patients not seen."""
        input:
            labels=DIAGNOSIS_LABELS,
            features=every_shard("features.npz", folder="diagnoses/shards"),
            folds=DIAGNOSIS_OUTPUTS,
        output:
            bundle=ensure(DIAGNOSIS_BUNDLE_FILES[0], non_empty=True),
            arrays=ensure(DIAGNOSIS_BUNDLE_FILES[1], non_empty=True),
        log:
            "<logs>/bundle_diagnoses.log",
        benchmark:
            "<benchmarks>/bundle_diagnoses.tsv"
        conda:
            "../../envs/torch.yaml"
        threads: CONFIG["compute_threads"]
        resources:
            mem_mb=memory(2000),
            runtime=60,
        params:
            program=program("bundle_diagnoses"),
            code=code("bundle_diagnoses"),
            settings=diagnosis_bundle_settings,
            table_contents=tables("diagnoses"),
            weight_content=file_digest(CHALLENGE_WEIGHTS),
            files=lambda wildcards, input: shlex.join(
                ["--weights", CHALLENGE_WEIGHTS, "--tables", *(str(file) for _, file in DIAGNOSIS_TABLES)]
            ),
            output=lambda wildcards, output: Path(output.bundle).parent,
        shell:
            "{params.program} --labels {input.labels:q} --features {input.features:q} --folds {input.folds:q}"
            " {params.files} --settings {params.settings:q} --output {params.output:q} --log {log:q}"


rule predict_diagnoses:
    """Say which diagnoses each record has: training records by networks without them, others by the bundle."""
    input:
        labels=DIAGNOSIS_LABELS,
        features=every_shard("features.npz", folder="diagnoses/shards"),
        folds=DIAGNOSIS_OUTPUTS,
        bundle=DIAGNOSIS_BUNDLE_FILES,
    output:
        predictions=ensure(DIAGNOSIS_PREDICTIONS[0], non_empty=True),
        fewer_leads=ensure(DIAGNOSIS_PREDICTIONS[1], non_empty=True),
    log:
        "<logs>/predict_diagnoses.log",
    benchmark:
        "<benchmarks>/predict_diagnoses.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG["compute_threads"]
    resources:
        mem_mb=memory(2000),
        runtime=60,
    params:
        program=program("predict_diagnoses"),
        code=code("predict_diagnoses"),
        settings=settings("signal", "rpeaks", "beats", "quality", "leads", "review", "compute_threads"),
        weight_content=file_digest(CHALLENGE_WEIGHTS),
        weights=lambda wildcards, input: CHALLENGE_WEIGHTS,
        bundle=folders("bundle"),
        folds=lambda wildcards, input: shlex.join(["--folds", *as_list(input.folds)]),
    shell:
        "{params.program} --labels {input.labels:q} --features {input.features:q} {params.folds}"
        " --bundle {params.bundle:q} --weights {params.weights:q} --settings {params.settings:q}"
        " --predictions {output.predictions:q} --lead-predictions {output.fewer_leads:q} --log {log:q}"

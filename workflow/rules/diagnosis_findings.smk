# What explained diagnoses come to: scores beside their nulls, what the model uses, and figures.


rule evaluate_diagnosis_explanations:
    """Score explained diagnoses beside their nulls, and sum up what the model uses by wave and lead."""
    input:
        cases=DIAGNOSIS_CASES,
        labels=DIAGNOSIS_LABELS,
        shards=every_shard("signals.npy", "records.parquet", "beats.parquet", "truth.parquet"),
        bundle=DIAGNOSIS_BUNDLE_FILES,
        folds=[f"{folder}/bundle.json" for folder in DIAGNOSIS_FOLD_BUNDLES],
        methods=expand("<results>/explanations/diagnoses/{method}", method=[*DIAGNOSIS_METHODS, "fused"]),
    output:
        metrics=ensure(EXPLAINED_DIAGNOSES[0], non_empty=True),
        cohort=ensure("<results>/metrics/diagnosis_cohort.csv", non_empty=True),
    log:
        "<logs>/evaluate_diagnosis_explanations.log",
    benchmark:
        "<benchmarks>/evaluate_diagnosis_explanations.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG["compute_threads"]
    resources:
        mem_mb=memory(2000),
        runtime=120,
        gpu=GPU,
    params:
        program=program("evaluate_diagnosis_explanations"),
        code=code("evaluate_diagnosis_explanations"),
        settings=settings(*EXPLAINS_DIAGNOSES, "evaluate"),
        regions_content=file_digest(REGIONS),
        regions=option("--regions", REGIONS),
        table_contents=tables("diagnoses"),
        tables=lambda wildcards, input: shlex.join(["--tables", *DIAGNOSIS_TABLE_FILES]),
        shards=folders("shards"),
        bundle=folders("bundle"),
        folds=lambda wildcards, input: fold_bundles(input),
        methods=by_method("methods"),
    shell:
        "{params.program} --cases {input.cases:q} --labels {input.labels:q} --shards {params.shards:q}"
        " --bundle {params.bundle:q} {params.folds} {params.methods} {params.regions} {params.tables}"
        " --settings {params.settings:q} --output {output.metrics:q} --cohort {output.cohort:q} --log {log:q}"


rule draw_diagnosis_explanations:
    """Draw each explained diagnosis on ECG paper, and what the model uses beside the table of diagnostic regions."""
    input:
        cases=DIAGNOSIS_CASES,
        shards=every_shard("signals.npy", "records.parquet", "beats.parquet", "truth.parquet"),
        fused="<results>/explanations/diagnoses/fused",
        cohort="<results>/metrics/diagnosis_cohort.csv",
    output:
        folder=directory(DIAGNOSIS_FIGURE_FOLDER),
        index=ensure(f"{DIAGNOSIS_FIGURE_FOLDER}.tsv", non_empty=True),
        cohort=ensure("<results>/figures/diagnoses/cohort.svg", non_empty=True),
    log:
        "<logs>/draw_diagnosis_explanations.log",
    benchmark:
        "<benchmarks>/draw_diagnosis_explanations.tsv"
    conda:
        "../../envs/base.yaml"
    threads: CONFIG["compute_threads"]
    resources:
        mem_mb=memory(2000),
        runtime=30,
    params:
        program=program("draw_diagnosis_explanations"),
        code=code("draw_diagnosis_explanations"),
        settings=settings(*LOOK, "report.speed_mm_s", "report.gain_mm_mv"),
        regions_content=file_digest(REGIONS),
        regions=option("--regions", REGIONS),
        table_contents=tables("diagnoses"),
        tables=lambda wildcards, input: shlex.join(["--tables", *DIAGNOSIS_TABLE_FILES]),
        shards=folders("shards"),
        index=program("index_folder"),
        index_code=code("index_folder"),
    shell:
        "{params.program} --cases {input.cases:q} --shards {params.shards:q} --fused {input.fused:q}"
        " --cohort {input.cohort:q} {params.regions} {params.tables} --settings {params.settings:q}"
        " --output {output.folder:q} --cohort-figure {output.cohort:q} --log {log:q}"
        " && {params.index} --folder {output.folder:q} --output {output.index:q}"

# Explained diagnoses: which ones, by which networks, their explanations, scores and figures.
DIAGNOSIS_METHODS = CONFIG["diagnosis_explanations"]["methods"]
DIAGNOSIS_CASES = "<results>/explanations/diagnoses/cases.csv"
DIAGNOSIS_TABLE_FILES = [str(file) for _, file in DIAGNOSIS_TABLES]
DIAGNOSIS_FIGURE_FOLDER = "<results>/figures/diagnoses/cases"
EXPLAINED_DIAGNOSES = [
    "<results>/metrics/diagnosis_explanations.csv",
    "<results>/figures/diagnoses/cohort.svg",
    f"{DIAGNOSIS_FIGURE_FOLDER}.tsv",
]
EXPLAINS_DIAGNOSES = ("diagnosis_explanations", "explain", "seed", "device", "compute_threads")


rule select_diagnosis_cases:
    """Choose the diagnoses of records that are explained."""
    input:
        predictions=DIAGNOSIS_PREDICTIONS[0],
        bundle=DIAGNOSIS_BUNDLE_FILES,
    output:
        cases=ensure(DIAGNOSIS_CASES, non_empty=True),
    log:
        "<logs>/select_diagnosis_cases.log",
    benchmark:
        "<benchmarks>/select_diagnosis_cases.tsv"
    conda:
        "../../envs/base.yaml"
    threads: CONFIG["compute_threads"]
    resources:
        mem_mb=memory(1000),
        runtime=15,
    params:
        program=program("select_diagnosis_cases"),
        code=code("select_diagnosis_cases"),
        settings=settings("diagnosis_explanations", "seed"),
        table_contents=tables("diagnoses"),
        tables=lambda wildcards, input: shlex.join(["--tables", *DIAGNOSIS_TABLE_FILES]),
        bundle=folders("bundle"),
    shell:
        "{params.program} --predictions {input.predictions:q} --bundle {params.bundle:q} {params.tables}"
        " --settings {params.settings:q} --output {output.cases:q} --log {log:q}"


rule explain_diagnoses:
    """Explain diagnoses of records by one method, each with a network that hasn't seen the patient."""
    input:
        cases=DIAGNOSIS_CASES,
        labels=DIAGNOSIS_LABELS,
        shards=every_shard("signals.npy", "records.parquet", "beats.parquet"),
        bundle=DIAGNOSIS_BUNDLE_FILES,
        folds=[f"{folder}/bundle.json" for folder in DIAGNOSIS_FOLD_BUNDLES],
    output:
        folder=directory("<results>/explanations/diagnoses/{method}"),
        index=ensure("<results>/explanations/diagnoses/{method}.tsv", non_empty=True),
    log:
        "<logs>/explain_diagnoses/{method}.log",
    benchmark:
        "<benchmarks>/explain_diagnoses/{method}.tsv"
    wildcard_constraints:
        method="|".join(DIAGNOSIS_METHODS),
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG["compute_threads"]
    resources:
        mem_mb=memory(2000),
        runtime=120,
        gpu=GPU,
    params:
        program=program("explain_diagnoses"),
        code=code("explain_diagnoses"),
        settings=settings(*EXPLAINS_DIAGNOSES),
        shards=folders("shards"),
        bundle=folders("bundle"),
        folds=lambda wildcards, input: fold_bundles(input),
        index=program("index_folder"),
        index_code=code("index_folder"),
    shell:
        "{params.program} --method {wildcards.method} --cases {input.cases:q} --labels {input.labels:q}"
        " --shards {params.shards:q} --bundle {params.bundle:q} {params.folds}"
        " --settings {params.settings:q} --output {output.folder:q} --log {log:q}"
        " && {params.index} --folder {output.folder:q} --output {output.index:q}"


rule fuse_diagnoses:
    """Fuse the methods' explanations of each diagnosis, as those of beats."""
    input:
        cases=DIAGNOSIS_CASES,
        methods=expand("<results>/explanations/diagnoses/{method}", method=DIAGNOSIS_METHODS),
    output:
        folder=directory("<results>/explanations/diagnoses/fused"),
        index=ensure("<results>/explanations/diagnoses/fused.tsv", non_empty=True),
    log:
        "<logs>/fuse_diagnoses.log",
    benchmark:
        "<benchmarks>/fuse_diagnoses.tsv"
    conda:
        "../../envs/base.yaml"
    threads: CONFIG["compute_threads"]
    resources:
        mem_mb=memory(1000),
        runtime=15,
    params:
        program=program("fuse"),
        code=code("fuse"),
        settings=settings("fusion"),
        methods=by_method("methods"),
        index=program("index_folder"),
        index_code=code("index_folder"),
    shell:
        "{params.program} --cases {input.cases:q} {params.methods} --settings {params.settings:q}"
        " --output {output.folder:q} --log {log:q}"
        " && {params.index} --folder {output.folder:q} --output {output.index:q}"

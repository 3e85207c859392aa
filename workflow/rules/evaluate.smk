# Scores of predictions against labels and of explanations against their nulls. Truth is read here and nowhere else.
REGIONS = "config/diagnostic_regions.csv"
METRICS = ["<results>/metrics/explanations.csv"]
if LABELLED:
    METRICS += ["<results>/metrics/classification.csv", "<results>/metrics/confusion.csv"]

    rule evaluate_classification:
        """Score predictions by class and split, with intervals over patients."""
        input:
            beats="<results>/predictions/beats.parquet",
            annotated="<results>/predictions/beats_annotated.parquet",
            records="<results>/records.tsv",
        output:
            metrics=report(
                ensure("<results>/metrics/classification.csv", non_empty=True),
                caption="../report/classification.rst",
                category="Classification",
            ),
            confusion=report(
                ensure("<results>/metrics/confusion.csv", non_empty=True),
                caption="../report/confusion.rst",
                category="Classification",
            ),
        log:
            "<logs>/evaluate_classification.log",
        benchmark:
            "<benchmarks>/evaluate_classification.tsv"
        conda:
            "../../envs/base.yaml"
        threads: CONFIG["compute_threads"]
        resources:
            mem_mb=memory(2000),
            runtime=30,
        params:
            program=program("evaluate_classification"),
            code=code("evaluate_classification"),
            settings=settings("evaluate", "classes", "seed"),
        shell:
            "{params.program} --beats {input.beats:q} --annotated {input.annotated:q} --records {input.records:q}"
            " --settings {params.settings:q} --metrics {output.metrics:q} --confusion {output.confusion:q} --log {log:q}"


rule evaluate_explanations:
    """Score explanations: localisation against planted truth, deletion and insertion, each beside its nulls."""
    input:
        cases="<results>/explanations/cases.csv",
        shards=every_shard("signals.npy", "records.parquet", "beats.parquet", "truth.parquet"),
        bundle=BUNDLE_FILES,
        indexes=expand("<results>/explanations/{method}.tsv", method=[*METHODS, "fused"]),
        folders=ancient(expand("<results>/explanations/{method}", method=[*METHODS, "fused"])),
    output:
        metrics=report(
            ensure("<results>/metrics/explanations.csv", non_empty=True),
            caption="../report/explanation_scores.rst",
            category="Explanations",
        ),
        cohort=report(
            ensure("<results>/metrics/cohort.csv", non_empty=True),
            caption="../report/cohort.rst",
            category="Explanations",
        ),
    log:
        "<logs>/evaluate_explanations.log",
    benchmark:
        "<benchmarks>/evaluate_explanations.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG["compute_threads"]
    resources:
        mem_mb=memory(3000),
        runtime=120,
    params:
        program=program("evaluate_explanations"),
        code=code("evaluate_explanations"),
        settings=settings("evaluate", "explain", "seed", "compute_threads"),
        shards=folders("shards"),
        bundle=folders("bundle"),
        methods=by_method("folders"),
        regions_content=file_digest(REGIONS),
        regions=option("--regions", REGIONS),
    shell:
        "{params.program} --cases {input.cases:q} --shards {params.shards:q} --bundle {params.bundle:q}"
        " {params.methods} {params.regions} --settings {params.settings:q}"
        " --output {output.metrics:q} --cohort {output.cohort:q} --log {log:q}"

# Scores of explanations against their nulls, shard by shard, since every case is run through the network many times.
REGIONS = "config/diagnostic_regions.csv"


rule score_cases:
    """Score the explanations of a shard's cases: localisation against planted truth, deletion, insertion, and nulls."""
    input:
        cases="<results>/explanations/cases.csv",
        shard=this_shard("signals.npy", "records.parquet", "beats.parquet"),
        # A patient's other records may lie in any shard.
        shards=every_shard("signals.npy", "records.parquet", "beats.parquet", "truth.parquet"),
        predictions=STORED_PREDICTIONS,
        bundle=BUNDLE_FILES,
        indexes=expand("<results>/explanations/{method}.tsv", method=[*METHODS, "fused"]),
        folders=ancient(expand("<results>/explanations/{method}", method=[*METHODS, "fused"])),
    output:
        scores=ensure("<results>/metrics/shards/{shard}/scores.parquet", non_empty=True),
        parts=ensure("<results>/metrics/shards/{shard}/parts.parquet", non_empty=True),
    log:
        "<logs>/score_cases/{shard}.log",
    benchmark:
        "<benchmarks>/score_cases/{shard}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG["compute_threads"]
    resources:
        mem_mb=memory(1500),
        runtime=120,
    params:
        program=program("score_cases"),
        code=code("score_cases"),
        settings=settings("evaluate", "explain", "seed", "compute_threads"),
        shard=folders("shard"),
        shards=folders("shards"),
        predictions=folders("predictions"),
        bundle=folders("bundle"),
        methods=by_method("folders"),
        regions_content=file_digest(REGIONS),
        regions=option("--regions", REGIONS),
        folder=lambda wildcards, output: str(Path(output.scores).parent),
    shell:
        "{params.program} --cases {input.cases:q} --shard {params.shard:q} --shards {params.shards:q}"
        " --predictions {params.predictions:q} --bundle {params.bundle:q} {params.methods} {params.regions}"
        " --settings {params.settings:q} --output {params.folder:q} --log {log:q}"


rule evaluate_explanations:
    """Gather the scores of explanations with their nulls and intervals, and what the model uses for each class."""
    input:
        cases="<results>/explanations/cases.csv",
        scores=every_shard("scores.parquet", "parts.parquet", folder="metrics/shards"),
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
        "../../envs/base.yaml"
    threads: CONFIG["compute_threads"]
    resources:
        mem_mb=memory(1500),
        runtime=30,
    params:
        program=program("evaluate_explanations"),
        code=code("evaluate_explanations"),
        settings=settings("evaluate", "classes", "seed"),
        scores=folders("scores"),
    shell:
        "{params.program} --cases {input.cases:q} --scores {params.scores:q} --settings {params.settings:q}"
        " --output {output.metrics:q} --cohort {output.cohort:q} --log {log:q}"

# Figures of the explanations: every explained case to scale, and the scores beside their nulls.


rule draw_cases:
    """Draw every explained case on ECG paper, with its explanations laid over the signal."""
    input:
        cases="<results>/explanations/cases.csv",
        beats="<results>/predictions/beats.parquet",
        shards=every_shard("signals.npy", "records.parquet", "beats.parquet", "truth.parquet"),
        indexes=expand("<results>/explanations/{method}.tsv", method=[*METHODS, "fused"]),
        methods=ancient(expand("<results>/explanations/{method}", method=METHODS)),
        fused=ancient("<results>/explanations/fused"),
    output:
        folder=report(
            directory("<results>/figures/cases"),
            patterns=["{case}.svg"],
            caption="../report/case.rst",
            category="Explanations",
            labels={"case": "{case}"},
        ),
        index=ensure("<results>/figures/cases.tsv", non_empty=True),
    log:
        "<logs>/draw_cases.log",
    benchmark:
        "<benchmarks>/draw_cases.tsv"
    conda:
        "../../envs/base.yaml"
    threads: CONFIG["compute_threads"]
    resources:
        mem_mb=memory(2000),
        runtime=30,
    params:
        program=program("draw_cases"),
        code=code("draw_cases"),
        settings=settings("beats", "report.speed_mm_s", "report.gain_mm_mv"),
        shards=folders("shards"),
        methods=by_method("methods"),
        index=program("index_folder"),
        index_code=code("index_folder"),
    shell:
        "{params.program} --cases {input.cases:q} --shards {params.shards:q} --fused {input.fused:q} {params.methods}"
        " --beats {input.beats:q} --settings {params.settings:q} --output {output.folder:q} --log {log:q}"
        " && {params.index} --folder {output.folder:q} --output {output.index:q}"


rule draw_explanations:
    """Draw the explanations' scores beside their nulls, and what the model uses for each class."""
    input:
        metrics="<results>/metrics/explanations.csv",
        cohort="<results>/metrics/cohort.csv",
    output:
        figure=report(
            ensure("<results>/figures/scores.svg", non_empty=True),
            caption="../report/scores.rst",
            category="Explanations",
        ),
        cohort=report(
            ensure("<results>/figures/cohort.svg", non_empty=True),
            caption="../report/cohort.rst",
            category="Explanations",
        ),
    log:
        "<logs>/draw_explanations.log",
    benchmark:
        "<benchmarks>/draw_explanations.tsv"
    conda:
        "../../envs/base.yaml"
    threads: CONFIG["compute_threads"]
    resources:
        mem_mb=memory(1000),
        runtime=15,
    params:
        program=program("draw_explanations"),
        code=code("draw_explanations"),
        settings=settings("classes"),
    shell:
        "{params.program} --metrics {input.metrics:q} --cohort {input.cohort:q} --settings {params.settings:q}"
        " --output {output.figure:q} --cohort-figure {output.cohort:q} --log {log:q}"

# Figures of what was found: every explained case to scale, scores beside their nulls, and new-pattern alerts.


rule draw_cases:
    """Draw every explained case on ECG paper, with its explanations laid over the signal."""
    input:
        cases="<results>/explanations/cases.csv",
        beats="<results>/predictions/beats.parquet",
        shards=every_shard("signals.npy", "records.parquet", "beats.parquet", "truth.parquet"),
        indexes=expand("<results>/explanations/{method}.tsv", method=[*METHODS, "fused"]),
        methods=ancient(expand("<results>/explanations/{method}", method=METHODS)),
        fused=ancient("<results>/explanations/fused"),
        attention="<results>/attention/cases.tsv" if set(CONFIG["figures"]["methods"]) & set(OF_ATTENTION) else [],
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
        settings=settings("beats", "figures.methods", *LOOK, "report.speed_mm_s", "report.gain_mm_mv"),
        shards=folders("shards"),
        methods=by_method("methods"),
        # Whether perturbation evidence agrees is known of the predicted class.
        attention=lambda wildcards, input: (
            f"--attention {shlex.quote(str(Path(input.attention).with_suffix('')))}" if input.get("attention") else ""
        ),
        index=program("index_folder"),
        index_code=code("index_folder"),
    shell:
        "{params.program} --cases {input.cases:q} --shards {params.shards:q} --fused {input.fused:q} {params.methods}"
        " --beats {input.beats:q} --settings {params.settings:q} {params.attention} --output {output.folder:q}"
        " --log {log:q}"
        " && {params.index} --folder {output.folder:q} --output {output.index:q}"


rule draw_findings:
    """Draw the explanations' scores beside their nulls, what the model uses for each class, and new-pattern alerts."""
    input:
        metrics="<results>/metrics/explanations.csv",
        cohort="<results>/metrics/cohort.csv",
        alerts="<results>/alerts/alerts.csv",
        members="<results>/alerts/beats.csv",
        centroids="<results>/alerts/centroids.npz",
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
        alerts=report(
            ensure("<results>/figures/alerts.svg", non_empty=True),
            caption="../report/alerts_figure.rst",
            category="Alerts",
        ),
    log:
        "<logs>/draw_explanations.log",
        alerts="<logs>/draw_alerts.log",
    benchmark:
        "<benchmarks>/draw_findings.tsv"
    conda:
        "../../envs/base.yaml"
    threads: CONFIG["compute_threads"]
    resources:
        mem_mb=memory(1000),
        runtime=15,
    params:
        program=program("draw_explanations"),
        of_alerts=program("draw_alerts"),
        code=code("draw_explanations"),
        code_of_alerts=code("draw_alerts"),
        settings=settings("classes"),
        paper=settings("report.speed_mm_s", "report.gain_mm_mv"),
    shell:
        "{params.program} --metrics {input.metrics:q} --cohort {input.cohort:q} --settings {params.settings:q}"
        " --output {output.figure:q} --cohort-figure {output.cohort:q} --log {log[0]:q}"
        " && {params.of_alerts} --alerts {input.alerts:q} --members {input.members:q} --centroids {input.centroids:q}"
        " --settings {params.paper:q} --output {output.alerts:q} --log {log.alerts:q}"

# The run's configuration as it was, and the report: a start page that needs no network, with figures and tables beside it.


localrules:
    write_config,


rule write_config:
    """Write the merged configuration of this run; it can be given to --configfile again."""
    output:
        config=ensure("<results>/run_config.yaml", non_empty=True),
    log:
        "<logs>/write_config.log",
    benchmark:
        "<benchmarks>/write_config.tsv"
    conda:
        "../../envs/base.yaml"
    threads: CONFIG["compute_threads"]
    resources:
        mem_mb=memory(500),
        runtime=5,
    params:
        program=program("write_config"),
        code=code("write_config"),
        settings=settings(*CONFIG),
    shell:
        "{params.program} --settings {params.settings:q} --output {output.config:q} --log {log:q}"


rule build_report:
    """Build the report from tables and figures."""
    input:
        records="<results>/records.tsv",
        status="<results>/status.tsv",
        config="<results>/run_config.yaml",
        bundle=BUNDLE_FILES[0],
        record_table="<results>/predictions/records.parquet",
        holter=HOLTER[0],
        episodes="<results>/predictions/episodes.parquet",
        exports=EXPORTS,  # which the page links to
        remarks="<results>/predictions/remarks.tsv",
        alerts="<results>/alerts/alerts.csv",
        clusters="<results>/alerts/clusters.csv",
        prototypes=[] if CONFIG["bundle"] else PROTOTYPES[2:4],
        explanations="<results>/metrics/explanations.csv",
        cohort="<results>/metrics/cohort.csv",
        classification="<results>/metrics/classification.csv" if LABELLED else [],
        confusion="<results>/metrics/confusion.csv" if LABELLED else [],
        presence="<results>/metrics/presence.csv" if LABELLED else [],
        leaks="<results>/metrics/leaks.csv" if LABELLED else [],
        figures=FIGURES[1:],
        case_index=FIGURES[0],
        cases=ancient(["<results>/figures/cases", *([name.removesuffix(".tsv") for name in CLASS_FIGURES])]),
        class_index=CLASS_FIGURES,
        words="<results>/explanations/words.csv",
        tachogram_index="<results>/figures/tachograms.tsv",
        tachograms=ancient("<results>/figures/tachograms"),
        watch_files=WATCH_FILES[:2],
        watch_index=WATCH_FIGURES,
        watch=[ancient("<results>/figures/watch")] if WATCHED else [],
        attention=ATTENTION_FILES[:1],
        attention_index=ATTENTION_FIGURES[1:],
        attention_cases=ancient("<results>/figures/attention") if ATTENTION else [],
    output:
        report=report(
            ensure("<results>/report.html", non_empty=True),
            caption="../report/report.rst",
            category="Report",
        ),
    log:
        "<logs>/report.log",
    benchmark:
        "<benchmarks>/report.tsv"
    conda:
        "../../envs/base.yaml"
    threads: CONFIG["compute_threads"]
    resources:
        mem_mb=memory(1000),
        runtime=15,
    params:
        program=program("build_report"),
        code=code("build_report"),
        settings=settings("report", "run", "seed", "classes", "targets"),
        # No inputs, or the default run would make them: what there is of the target sanity is shown.
        probes=lambda wildcards: f"--probes {' '.join(probe_tables())}" if probe_tables() else "",
        probes_digest=lambda wildcards: [file_digest(table) for table in probe_tables()],
        # A run without labels has no scores, one with a given bundle no training.
        optional=lambda wildcards, input: " ".join(
            [f"--metrics {shlex.quote(file)}" for file in as_list(input.classification)]
            + [f"--confusion {shlex.quote(file)}" for file in as_list(input.confusion)]
            + [f"--presence {shlex.quote(file)}" for file in as_list(input.presence)]
            + [f"--leaks {shlex.quote(file)}" for file in as_list(input.leaks)]
            + [f"--prototype-{Path(file).stem} {shlex.quote(file)}" for file in as_list(input.prototypes)]
            + [f"--watch-{Path(file).stem} {shlex.quote(file)}" for file in as_list(input.watch_files)]
            + [f"--watch {shlex.quote(folder)}" for folder in as_list(input.watch)]
            + [f"--{Path(file).stem}-figure {shlex.quote(file)}" for file in as_list(input.figures)]
            + [f"--attention {shlex.quote(file)}" for file in as_list(input.attention)]
            + [f"--attention-cases {shlex.quote(file)}" for file in as_list(input.attention_cases)]
        ),
    shell:
        "{params.program} --records {input.records:q} --status {input.status:q} --config {input.config:q}"
        " --bundle-json {input.bundle:q} --explanations {input.explanations:q} --cohort {input.cohort:q}"
        " --record-table {input.record_table:q} --holter {input.holter:q} --episodes {input.episodes:q} --remarks {input.remarks:q}"
        " --alerts {input.alerts:q} --clusters {input.clusters:q}"
        " --cases {input.cases:q} --words {input.words:q} --tachograms {input.tachograms:q} {params.optional} {params.probes}"
        " --settings {params.settings:q} --output {output.report:q} --log {log:q}"

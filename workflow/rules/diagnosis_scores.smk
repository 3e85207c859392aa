# Scores of diagnoses against labels of records, their figures, and the page: report.html of a run without beats.
DIAGNOSIS_METRICS = "<results>/metrics/diagnoses.csv"
DIAGNOSIS_FIGURES = [f"<results>/figures/diagnoses/{name}.svg" for name in ("scores", "reliability", "confusion")]
DIAGNOSIS_REPORT = f"<results>/{'diagnoses' if 'beats' in CONFIG['targets'] else 'report'}.html"

DIAGNOSIS_PAGES = [DIAGNOSIS_REPORT] if "diagnoses" in CONFIG["targets"] else []

if "beats" not in CONFIG["targets"]:

    ruleorder: build_diagnosis_report > build_report


rule evaluate_diagnoses:
    """Score diagnoses beside their nulls, over patients: all, by database, and with fewer leads."""
    input:
        predictions=DIAGNOSIS_PREDICTIONS[0],
        leads=DIAGNOSIS_PREDICTIONS[1],
    output:
        metrics=report(
            ensure(DIAGNOSIS_METRICS, non_empty=True),
            caption="../report/diagnosis_scores.rst",
            category="Diagnoses",
        ),
    log:
        "<logs>/evaluate_diagnoses.log",
    benchmark:
        "<benchmarks>/evaluate_diagnoses.tsv"
    conda:
        "../../envs/base.yaml"
    threads: CONFIG["compute_threads"]
    resources:
        mem_mb=memory(1500),
        runtime=30,
    params:
        program=program("evaluate_diagnoses"),
        code=code("evaluate_diagnoses"),
        settings=settings("evaluate", "review", "seed"),
        weight_content=file_digest(CHALLENGE_WEIGHTS),
        weights=option("--weights", CHALLENGE_WEIGHTS),
    shell:
        "{params.program} --predictions {input.predictions:q} --leads {input.leads:q} {params.weights}"
        " --settings {params.settings:q} --output {output.metrics:q} --log {log:q}"


rule draw_diagnosis_scores:
    """Draw scores of diagnoses beside their nulls, reliability, and which diagnosis stands for which."""
    input:
        predictions=DIAGNOSIS_PREDICTIONS[0],
        metrics=DIAGNOSIS_METRICS,
        bundle=DIAGNOSIS_BUNDLE_FILES[0],
    output:
        scores=report(
            ensure(DIAGNOSIS_FIGURES[0], non_empty=True),
            caption="../report/diagnosis_scores_figure.rst",
            category="Diagnoses",
        ),
        reliability=report(
            ensure(DIAGNOSIS_FIGURES[1], non_empty=True),
            caption="../report/diagnosis_reliability.rst",
            category="Diagnoses",
        ),
        confusion=report(
            ensure(DIAGNOSIS_FIGURES[2], non_empty=True),
            caption="../report/diagnosis_confusion.rst",
            category="Diagnoses",
        ),
    log:
        "<logs>/draw_diagnosis_scores.log",
    benchmark:
        "<benchmarks>/draw_diagnosis_scores.tsv"
    conda:
        "../../envs/base.yaml"
    threads: CONFIG["compute_threads"]
    resources:
        mem_mb=memory(1000),
        runtime=15,
    params:
        program=program("draw_diagnosis_scores"),
        code=code("draw_diagnosis_scores"),
        settings=settings("evaluate.calibration_bins"),
    shell:
        "{params.program} --predictions {input.predictions:q} --metrics {input.metrics:q}"
        " --bundle-json {input.bundle:q} --settings {params.settings:q} --scores {output.scores:q}"
        " --reliability {output.reliability:q} --confusion {output.confusion:q} --log {log:q}"


rule build_diagnosis_report:
    """Build the page of diagnoses from tables and figures."""
    input:
        predictions=DIAGNOSIS_PREDICTIONS[0],
        metrics=DIAGNOSIS_METRICS,
        figures=[*DIAGNOSIS_FIGURES, EXPLAINED_DIAGNOSES[1]],
        explained=EXPLAINED_DIAGNOSES[0],
        case_index=EXPLAINED_DIAGNOSES[2],
        cases=ancient(DIAGNOSIS_FIGURE_FOLDER),
        bundle=DIAGNOSIS_BUNDLE_FILES[0],
        status="<results>/status.tsv",
        config="<results>/run_config.yaml",
    output:
        report=report(
            ensure(DIAGNOSIS_REPORT, non_empty=True),
            caption="../report/report.rst",
            category="Report",
        ),
    log:
        "<logs>/diagnosis_report.log",
    benchmark:
        "<benchmarks>/diagnosis_report.tsv"
    conda:
        "../../envs/base.yaml"
    threads: CONFIG["compute_threads"]
    resources:
        mem_mb=memory(1000),
        runtime=15,
    params:
        program=program("build_diagnosis_report"),
        code=code("build_diagnosis_report"),
        settings=settings("report", "run", "seed", "evaluate", "targets", "diagnosis_explanations.rhythm_off"),
    shell:
        "{params.program} --predictions {input.predictions:q} --metrics {input.metrics:q}"
        " --figures {input.figures:q} --cases {input.cases:q} --explained {input.explained:q}"
        " --bundle-json {input.bundle:q} --status {input.status:q}"
        " --config {input.config:q} --settings {params.settings:q} --output {output.report:q} --log {log:q}"

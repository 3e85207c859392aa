# Figures of the model and of the predictions: the prototype bank, training, confusion, reliability, patients.
FIGURES = [f"<results>/figures/{name}" for name in ("cases.tsv", "scores.svg", "alerts.svg")]

MODEL_FIGURES = ("prototypes", "templates", "prototype_map", "training")
GALLERIES = [] if CONFIG["bundle"] else [f"<results>/figures/prototypes/{name}.svg" for name in CONFIG["classes"]]

if not CONFIG["bundle"]:
    FIGURES += [f"<results>/figures/{name}.svg" for name in MODEL_FIGURES]

    rule draw_model:
        """Draw the prototype bank and class templates, to scale, and loss and scores over the epochs."""
        input:
            library="<results>/prototypes/library.csv",
            waves="<results>/prototypes/waves.npz",
            space="<results>/prototypes/space.npz",
            templates="<results>/prototypes/templates.npz",
            history="<results>/model/history.csv",
            drift="<results>/watch/drift.csv" if WATCHED else [],
        output:
            gallery=report(
                ensure("<results>/figures/prototypes.svg", non_empty=True),
                caption="../report/prototypes.rst",
                category="Model",
            ),
            galleries=[ensure(gallery, non_empty=True) for gallery in GALLERIES],
            template_figure=report(
                ensure("<results>/figures/templates.svg", non_empty=True),
                caption="../report/templates.rst",
                category="Model",
            ),
            prototype_map=report(
                ensure("<results>/figures/prototype_map.svg", non_empty=True),
                caption="../report/prototype_map.rst",
                category="Model",
            ),
            training=report(
                ensure("<results>/figures/training.svg", non_empty=True),
                caption="../report/training.rst",
                category="Model",
            ),
        log:
            "<logs>/draw_model.log",
        benchmark:
            "<benchmarks>/draw_model.tsv"
        conda:
            "../../envs/base.yaml"
        threads: CONFIG["compute_threads"]
        resources:
            mem_mb=memory(1000),
            runtime=15,
        params:
            program=program("draw_model"),
            code=code("draw_model"),
            settings=settings("classes", "report.speed_mm_s", "report.gain_mm_mv"),
            drift=lambda wildcards, input: f"--drift {shlex.quote(input.drift)}" if WATCHED else "",
        shell:
            "{params.program} {params.drift} --library {input.library:q} --waves {input.waves:q} --space {input.space:q}"
            " --templates {input.templates:q} --history {input.history:q} --map {output.prototype_map:q}"
            " --galleries {output.galleries:q} --template-figure {output.template_figure:q}"
            " --settings {params.settings:q} --gallery {output.gallery:q} --training {output.training:q} --log {log:q}"


if LABELLED:
    FIGURES += [
        "<results>/figures/confusion.svg",
        "<results>/figures/reliability.svg",
        "<results>/figures/patients.svg",
    ]

    rule draw_classification:
        """Draw the confusion matrix and the reliability of the probabilities."""
        input:
            beats="<results>/predictions/beats.parquet",
            metrics="<results>/metrics/classification.csv",
            confusion="<results>/metrics/confusion.csv",
        output:
            confusion=report(
                ensure("<results>/figures/confusion.svg", non_empty=True),
                caption="../report/confusion_figure.rst",
                category="Classification",
            ),
            reliability=report(
                ensure("<results>/figures/reliability.svg", non_empty=True),
                caption="../report/reliability.rst",
                category="Classification",
            ),
            patients=report(
                ensure("<results>/figures/patients.svg", non_empty=True),
                caption="../report/patients.rst",
                category="Classification",
            ),
        log:
            "<logs>/draw_classification.log",
        benchmark:
            "<benchmarks>/draw_classification.tsv"
        conda:
            "../../envs/base.yaml"
        threads: CONFIG["compute_threads"]
        resources:
            mem_mb=memory(1000),
            runtime=15,
        params:
            program=program("draw_classification"),
            code=code("draw_classification"),
            settings=settings("classes", "evaluate.calibration_bins"),
        shell:
            "{params.program} --beats {input.beats:q} --metrics {input.metrics:q} --confusion {input.confusion:q}"
            " --settings {params.settings:q} --confusion-figure {output.confusion:q}"
            " --reliability {output.reliability:q} --patients {output.patients:q} --log {log:q}"

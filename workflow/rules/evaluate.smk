# Scores of predictions against labels. Truth is read here and in explanation_scores.smk, and nowhere else.
METRICS = ["<results>/metrics/explanations.csv"]
if LABELLED:
    METRICS += [f"<results>/metrics/{name}.csv" for name in ("classification", "confusion", "leaks", "presence")]

    rule evaluate_classification:
        """Score beats, strips and records by class and split, over patients, and look for leaks behind the scores."""
        input:
            beats="<results>/predictions/beats.parquet",
            annotated="<results>/predictions/beats_annotated.parquet",
            strips="<results>/predictions/strips.parquet",
            record_table="<results>/predictions/records.parquet",
            records="<results>/records.tsv",
            shards=every_shard("signals.npy", "records.parquet", "beats.parquet", "beats_annotated.parquet"),
            bundle=BUNDLE_FILES,
            history=[] if CONFIG["bundle"] else "<results>/model/history.csv",
            held_out=[] if CONFIG["bundle"] else "<results>/model/training/held_out.npz",
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
            presence=report(
                ensure("<results>/metrics/presence.csv", non_empty=True),
                caption="../report/presence.rst",
                category="Classification",
            ),
            leaks=report(
                ensure("<results>/metrics/leaks.csv", non_empty=True),
                caption="../report/leaks.rst",
                category="Classification",
            ),
        log:
            "<logs>/evaluate_classification.log",
            presence="<logs>/evaluate_presence.log",
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
            of_strips=program("evaluate_presence"),
            code=code("evaluate_classification"),
            code_of_strips=code("evaluate_presence"),
            settings=settings("evaluate", "classes", "seed"),
            shards=folders("shards"),
            bundle=folders("bundle"),
            table_content=file_digest(CONFIG["split"]["table"]),
            table=option("--table", CONFIG["split"]["table"]),
            # A run with a given bundle has no training of its own.
            training=lambda wildcards, input: (
                f"--history {shlex.quote(input.history)} --held-out {shlex.quote(input.held_out)}"
                if input.history
                else ""
            ),
        shell:
            "{params.program} --beats {input.beats:q} --annotated {input.annotated:q} --records {input.records:q}"
            " --shards {params.shards:q} --bundle {params.bundle:q} {params.training} {params.table}"
            " --settings {params.settings:q} --metrics {output.metrics:q} --confusion {output.confusion:q}"
            " --leaks {output.leaks:q} --log {log[0]:q}"
            " && {params.of_strips} --strips {input.strips:q} --record-table {input.record_table:q}"
            " --presence {output.presence:q} --settings {params.settings:q} --log {log.presence:q}"

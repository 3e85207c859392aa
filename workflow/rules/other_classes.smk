# Explained beats once more, for the classes of figures.classes: what explains, fuses and draws cases does it for these.
# They are drawn and never scored.
OTHER_CLASSES = CONFIG["figures"]["classes"] != "predicted"
CLASS_FIGURES = ["<results>/figures/classes.tsv"] if OTHER_CLASSES else []

if OTHER_CLASSES:

    rule select_classes:
        """List every explained beat for each further class."""
        input:
            cases="<results>/explanations/cases.csv",
            beats="<results>/predictions/beats.parquet",
        output:
            cases=ensure("<results>/explanations/classes/cases.csv", non_empty=True),
        log:
            "<logs>/classes/cases.log",
        benchmark:
            "<benchmarks>/classes/cases.tsv"
        conda:
            "../../envs/base.yaml"
        threads: CONFIG["compute_threads"]
        resources:
            mem_mb=memory(1000),
            runtime=15,
        params:
            program=program("select_classes"),
            code=code("select_classes"),
            settings=settings("classes", "figures.classes"),
        shell:
            "{params.program} --cases {input.cases:q} --beats {input.beats:q} --settings {params.settings:q}"
            " --output {output.cases:q} --log {log:q}"

    use rule explain_shard as explain_classes with:
        input:
            cases="<results>/explanations/classes/cases.csv",
            shard=this_shard("signals.npy", "records.parquet", "beats.parquet"),
            shards=every_shard("signals.npy", "records.parquet", "beats.parquet"),
            predictions=STORED_PREDICTIONS,
            bundle=BUNDLE_FILES,
        output:
            archive=ensure("<results>/explanations/classes/shards/{method}/{shard}.zip", non_empty=True),
        log:
            "<logs>/classes/explain/{method}/{shard}.log",
        benchmark:
            "<benchmarks>/classes/explain/{method}/{shard}.tsv"

    use rule gather_explanations as gather_classes with:
        input:
            archives=lambda wildcards: every_archive(wildcards.method, "explanations/classes")(wildcards),
            cases="<results>/explanations/classes/cases.csv",
        output:
            folder=directory("<results>/explanations/classes/{method}"),
            index=ensure("<results>/explanations/classes/{method}.tsv", non_empty=True),
        log:
            "<logs>/classes/gather_explanations/{method}.log",
        benchmark:
            "<benchmarks>/classes/gather_explanations/{method}.tsv"

    use rule fuse as fuse_classes with:
        input:
            cases="<results>/explanations/classes/cases.csv",
            indexes=expand("<results>/explanations/classes/{method}.tsv", method=METHODS),
            folders=ancient(expand("<results>/explanations/classes/{method}", method=METHODS)),
        output:
            folder=directory("<results>/explanations/classes/fused"),
            index=ensure("<results>/explanations/classes/fused.tsv", non_empty=True),
        log:
            "<logs>/classes/fuse.log",
        benchmark:
            "<benchmarks>/classes/fuse.tsv"

    use rule draw_cases as draw_classes with:
        input:
            cases="<results>/explanations/classes/cases.csv",
            beats="<results>/predictions/beats.parquet",
            shards=every_shard("signals.npy", "records.parquet", "beats.parquet", "truth.parquet"),
            indexes=expand("<results>/explanations/classes/{method}.tsv", method=[*METHODS, "fused"]),
            methods=ancient(expand("<results>/explanations/classes/{method}", method=METHODS)),
            fused=ancient("<results>/explanations/classes/fused"),
        output:
            folder=report(
                directory("<results>/figures/classes"),
                patterns=["{case}.svg"],
                caption="../report/case.rst",
                category="Explanations",
                labels={"case": "{case}"},
            ),
            index=ensure("<results>/figures/classes.tsv", non_empty=True),
        log:
            "<logs>/classes/draw_cases.log",
        benchmark:
            "<benchmarks>/classes/draw_cases.tsv"

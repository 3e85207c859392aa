# The prototype bank: typical beats of each class, mined from the training patients.
PROTOTYPES = [
    f"<results>/prototypes/{name}"
    for name in (
        "library.csv",
        "waves.npz",
        "validation.csv",
        "summary.csv",
        "clusters.csv",
        "space.npz",
        "templates.npz",
    )
]

if not CONFIG["bundle"]:

    rule mine_prototypes:
        """Cluster the beats of each class of the training patients and keep typical ones as prototypes."""
        input:
            shards=every_shard("signals.npy", "records.parquet", "beats.parquet", "beats_annotated.parquet"),
            records="<results>/records.tsv",
        output:
            library=report(
                ensure("<results>/prototypes/library.csv", non_empty=True),
                caption="../report/library.rst",
                category="Model",
            ),
            waves=ensure("<results>/prototypes/waves.npz", non_empty=True),
            templates=ensure("<results>/prototypes/templates.npz", non_empty=True),
            validation=ensure("<results>/prototypes/validation.csv", non_empty=True),
            summary=ensure("<results>/prototypes/summary.csv", non_empty=True),
            clusters=ensure("<results>/prototypes/clusters.csv", non_empty=True),
            space=ensure("<results>/prototypes/space.npz", non_empty=True),
        log:
            "<logs>/prototypes.log",
        benchmark:
            "<benchmarks>/prototypes.tsv"
        conda:
            "../../envs/base.yaml"
        threads: CONFIG["compute_threads"]
        resources:
            mem_mb=memory(3000),
            runtime=60,
        params:
            program=program("mine_prototypes"),
            code=code("mine_prototypes"),
            settings=settings("prototypes", "library", "classes", "leads", "signal", "beats", "split.seed"),
            shards=folders("shards"),
        shell:
            "{params.program} --shards {params.shards:q} --records {input.records:q} --settings {params.settings:q}"
            " --library {output.library:q} --waves {output.waves:q} --templates {output.templates:q} --validation {output.validation:q}"
            " --summary {output.summary:q} --clusters {output.clusters:q} --space {output.space:q} --log {log:q}"

# New patterns among the beats in review. The registry under results/registry is no output: runs share it, and Snakemake
# deletes outputs before a job. What alerts.csv says of other runs is as of when the job ran.
ALERTS = [f"<results>/alerts/{name}" for name in ("alerts.csv", "clusters.csv", "beats.csv", "centroids.npz")]


rule find_alerts:
    """Cluster beats in review, and alert to those patterns that meet every criterion."""
    input:
        beats="<results>/predictions/beats.parquet",
        shards=every_shard("signals.npy", "records.parquet", "beats.parquet"),
        bundle=BUNDLE_FILES,
    output:
        alerts=report(
            ensure("<results>/alerts/alerts.csv", non_empty=True),
            caption="../report/alerts.rst",
            category="Alerts",
        ),
        clusters=ensure("<results>/alerts/clusters.csv", non_empty=True),
        members=ensure("<results>/alerts/beats.csv", non_empty=True),
        centroids=ensure("<results>/alerts/centroids.npz", non_empty=True),
    log:
        "<logs>/alerts.log",
    benchmark:
        "<benchmarks>/alerts.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG["compute_threads"]
    resources:
        mem_mb=memory(3000),
        runtime=60,
        gpu=GPU,
    params:
        program=program("find_alerts"),
        code=code("find_alerts"),
        settings=settings("alerts", "seed", "device", "compute_threads"),
        run=CONFIG["run"],
        registry=lambda wildcards, input: "results/registry",
        shards=folders("shards"),
        bundle=folders("bundle"),
    shell:
        "{params.program} --beats {input.beats:q} --shards {params.shards:q} --bundle {params.bundle:q}"
        " --run {params.run:q} --registry {params.registry:q} --settings {params.settings:q} --alerts {output.alerts:q}"
        " --clusters {output.clusters:q} --members {output.members:q} --centroids {output.centroids:q} --log {log:q}"

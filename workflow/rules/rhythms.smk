# Episodes of atrial fibrillation and ventricular tachycardia, for the target `rhythms`: corpora whose annotations mark rhythms.
RHYTHMS = ["<results>/model/rhythms.json", "<results>/predictions/rhythms.parquet", "<results>/metrics/rhythms.csv"]


localrules:
    rhythms,


rule find_rhythms:
    """Fit the detector of fibrillation on training patients, find episodes in all records, and score them."""
    input:
        shards=every_shard("beats.parquet", "rhythms.parquet"),
        records="<results>/records.tsv",
        episodes="<results>/predictions/episodes.parquet" if "beats" in CONFIG["targets"] else [],
    output:
        detector=ensure(RHYTHMS[0], non_empty=True),
        episodes=ensure(RHYTHMS[1], non_empty=True),
        metrics=ensure(RHYTHMS[2], non_empty=True),
    log:
        "<logs>/find_rhythms.log",
    benchmark:
        "<benchmarks>/find_rhythms.tsv"
    conda:
        "../../envs/base.yaml"
    threads: CONFIG["compute_threads"]
    resources:
        mem_mb=memory(1500),
        runtime=30,
    params:
        program=program("find_rhythms"),
        code=code("find_rhythms"),
        settings=settings("evaluate", "seed"),
        shards=folders("shards"),
        runs=lambda wildcards, input: f"--episodes {shlex.quote(input.episodes)}" if input.episodes else "",
    shell:
        "{params.program} --shards {params.shards:q} --records {input.records:q} {params.runs}"
        " --settings {params.settings:q} --detector {output.detector:q} --output {output.episodes:q}"
        " --metrics {output.metrics:q} --log {log:q}"


rule rhythms:
    """Episodes of atrial fibrillation and ventricular tachycardia, with their scores."""
    input:
        RHYTHMS,

# Do explanations follow the network and hold still? Hundreds of explanations of networks that are not the run's: for the
# target `sanity`, not part of the default run. The report shows the tables where they are there when it is built.
PROBE_INPUTS = dict(
    beats="<results>/predictions/beats.parquet",
    records="<results>/records.tsv",
    shards=every_shard("signals.npy", "records.parquet", "beats.parquet"),
    predictions=STORED_PREDICTIONS,
    bundle=BUNDLE_FILES,
)


localrules:
    sanity,


rule evaluate_sanity:
    """Explain randomised networks, other classes, and a network that learnt a planted leak."""
    input:
        **PROBE_INPUTS,
    output:
        table=report(
            ensure("<results>/metrics/sanity.csv", non_empty=True),
            caption="../report/sanity.rst",
            category="Explanations",
        ),
    log:
        "<logs>/evaluate_sanity.log",
    benchmark:
        "<benchmarks>/evaluate_sanity.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG["compute_threads"]
    resources:
        mem_mb=memory(3000),
        runtime=240,
        gpu=GPU,
    params:
        program=program("evaluate_sanity"),
        code=code("evaluate_sanity"),
        settings=settings(
            "probes", "explain", "evaluate", "cases", "beats", "classes", "seed", "device", "compute_threads"
        ),
        shards=folders("shards"),
        predictions=folders("predictions"),
        bundle=folders("bundle"),
    shell:
        "{params.program} --beats {input.beats:q} --records {input.records:q} --shards {params.shards:q}"
        " --predictions {params.predictions:q} --bundle {params.bundle:q} --settings {params.settings:q}"
        " --output {output.table:q} --log {log:q}"


rule evaluate_stability:
    """Explain again with other seeds, with noise and with one beat more."""
    input:
        **PROBE_INPUTS,
    output:
        table=report(
            ensure("<results>/metrics/stability.csv", non_empty=True),
            caption="../report/stability.rst",
            category="Explanations",
        ),
    log:
        "<logs>/evaluate_stability.log",
    benchmark:
        "<benchmarks>/evaluate_stability.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG["compute_threads"]
    resources:
        mem_mb=memory(3000),
        runtime=120,
        gpu=GPU,
    params:
        program=program("evaluate_stability"),
        code=code("evaluate_stability"),
        settings=settings(
            "probes", "explain", "evaluate", "cases", "beats", "classes", "seed", "device", "compute_threads"
        ),
        shards=folders("shards"),
        predictions=folders("predictions"),
        bundle=folders("bundle"),
    shell:
        "{params.program} --beats {input.beats:q} --records {input.records:q} --shards {params.shards:q}"
        " --predictions {params.predictions:q} --bundle {params.bundle:q} --settings {params.settings:q}"
        " --output {output.table:q} --log {log:q}"


rule sanity:
    """Tests of the explanations that take longer than the run: sanity and stability."""
    input:
        "<results>/metrics/sanity.csv",
        "<results>/metrics/stability.csv",

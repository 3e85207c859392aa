# What attention says, and whether it means anything: only for a network that has attention.
ATTENTION = CONFIG["model"]["name"] in WITH_ATTENTION
ATTENTION_FILES = [f"<results>/attention/{name}" for name in ("summary.json", "summary.txt", "cases.tsv") if ATTENTION]
ATTENTION_FIGURES = [f"<results>/figures/{name}" for name in ("attention.svg", "attention.tsv") if ATTENTION]
FIGURES += ATTENTION_FIGURES[:1]

if ATTENTION:

    rule evaluate_attention:
        """Examine the attention of every case: heads, directions, and whether perturbation evidence agrees."""
        input:
            cases="<results>/explanations/cases.csv",
            shards=every_shard("signals.npy", "records.parquet", "beats.parquet"),
            predictions=STORED_PREDICTIONS,
            bundle=BUNDLE_FILES,
            indexes=expand("<results>/explanations/{method}.tsv", method=[*METHODS, "fused"]),
            folders=ancient(expand("<results>/explanations/{method}", method=[*METHODS, "fused"])),
        output:
            folder=directory("<results>/attention/cases"),
            index=ensure("<results>/attention/cases.tsv", non_empty=True),
            summary=ensure("<results>/attention/summary.json", non_empty=True),
            text=report(
                ensure("<results>/attention/summary.txt", non_empty=True),
                caption="../report/attention_summary.rst",
                category="Attention",
            ),
        log:
            "<logs>/evaluate_attention.log",
        benchmark:
            "<benchmarks>/evaluate_attention.tsv"
        conda:
            "../../envs/torch.yaml"
        threads: CONFIG["compute_threads"]
        resources:
            mem_mb=memory(2000),
            runtime=60,
        params:
            program=program("evaluate_attention"),
            code=code("evaluate_attention"),
            settings=settings("evaluate", "explain", "seed", "compute_threads"),
            shards=folders("shards"),
            predictions=folders("predictions"),
            bundle=folders("bundle"),
            methods=by_method("folders"),
            index=program("index_folder"),
            index_code=code("index_folder"),
        shell:
            "{params.program} --cases {input.cases:q} --shards {params.shards:q} --predictions {params.predictions:q}"
            " --bundle {params.bundle:q} {params.methods} --settings {params.settings:q} --output {output.folder:q}"
            " --summary {output.summary:q} --summary-text {output.text:q} --log {log:q}"
            " && {params.index} --folder {output.folder:q} --output {output.index:q}"

    rule draw_attention:
        """Draw the attention of each case on its signal and both ways, and that of all cases."""
        input:
            summary="<results>/attention/summary.json",
            index="<results>/attention/cases.tsv",
            folder=ancient("<results>/attention/cases"),
            beats="<results>/predictions/beats.parquet",
            shards=every_shard("signals.npy", "records.parquet", "beats.parquet"),
        output:
            folder=report(
                directory("<results>/figures/attention"),
                patterns=["{case}.svg"],
                caption="../report/attention_case.rst",
                category="Attention",
                labels={"case": "{case}"},
            ),
            index=ensure("<results>/figures/attention.tsv", non_empty=True),
            figure=report(
                ensure("<results>/figures/attention.svg", non_empty=True),
                caption="../report/attention.rst",
                category="Attention",
            ),
        log:
            "<logs>/draw_attention.log",
        benchmark:
            "<benchmarks>/draw_attention.tsv"
        conda:
            "../../envs/base.yaml"
        threads: CONFIG["compute_threads"]
        resources:
            mem_mb=memory(1000),
            runtime=30,
        params:
            program=program("draw_attention"),
            code=code("draw_attention"),
            shards=folders("shards"),
            index=program("index_folder"),
            index_code=code("index_folder"),
        shell:
            "{params.program} --attention {input.folder:q} --summary {input.summary:q} --shards {params.shards:q}"
            " --beats {input.beats:q} --output {output.folder:q} --figure {output.figure:q} --log {log:q}"
            " && {params.index} --folder {output.folder:q} --output {output.index:q}"

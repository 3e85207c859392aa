# Which settings? Candidates are compared by leaving out training patients, never by test patients: for the target
# `select`, not part of the default run. Its choice is an overlay for the next run.
SELECTION = [f"<results>/selection/{name}" for name in ("choice.yaml", "scores.csv", "selection.svg", "selection.png")]
CANDIDATES = "|".join(candidate["name"] for candidate in CONFIG["select"]["candidates"]) or "none"


localrules:
    select,


rule fit_candidate:
    """Predict each fold of the training patients by networks of one candidate and seed, trained on the others."""
    input:
        shards=every_shard("signals.npy", "records.parquet", "beats.parquet"),
        records="<results>/records.tsv",
    output:
        predictions=ensure("<results>/selection/held_out/{candidate}/{seed}.parquet", non_empty=True),
        provenance=ensure("<results>/selection/held_out/{candidate}/{seed}.json", non_empty=True),
    log:
        "<logs>/selection/{candidate}/{seed}.log",
    benchmark:
        "<benchmarks>/selection/{candidate}/{seed}.tsv"
    wildcard_constraints:
        candidate=CANDIDATES,
        seed="|".join(map(str, CONFIG["select"]["seeds"])),
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG["compute_threads"]
    resources:
        mem_mb=memory(4000),
        runtime=240,
        gpu=GPU,
    params:
        program=program("fit_candidate"),
        code=code("fit_candidate"),
        settings=candidate_settings,
        shards=folders("shards"),
        table_content=file_digest(CONFIG["select"]["table"]),
        table=option("--table", CONFIG["select"]["table"]),
        # As in training: no output, since Snakemake deletes outputs first.
        state=lambda wildcards, output: Path(output.predictions).with_suffix(".state.npz"),
        key=lambda wildcards, input: training_key("fit_candidate", candidate_settings(wildcards)),
    shell:
        "{params.program} --shards {params.shards:q} --records {input.records:q} {params.table}"
        " --settings {params.settings:q} --predictions {output.predictions:q} --provenance {output.provenance:q}"
        " --state {params.state:q} --key {params.key:q} --log {log:q}"


rule choose_candidate:
    """Score the candidates over the patients left out, and choose the first that is not surely worse than the best."""
    input:
        predictions=candidate_predictions("selection/held_out"),
    output:
        choice=ensure("<results>/selection/choice.yaml", non_empty=True),
        scores=report(
            ensure("<results>/selection/scores.csv", non_empty=True),
            caption="../report/selection.rst",
            category="Selection",
        ),
        svg=report(
            ensure("<results>/selection/selection.svg", non_empty=True),
            caption="../report/selection_figure.rst",
            category="Selection",
        ),
        png=ensure("<results>/selection/selection.png", non_empty=True),
    log:
        "<logs>/selection/choose.log",
    benchmark:
        "<benchmarks>/selection/choose.tsv"
    conda:
        "../../envs/base.yaml"
    threads: CONFIG["compute_threads"]
    resources:
        mem_mb=memory(2000),
        runtime=30,
    params:
        program=program("choose_candidate"),
        code=code("choose_candidate"),
        settings=settings("select", "classes", "seed", "run", "evaluate.bootstrap", "evaluate.level"),
        predictions=by_candidate,
    shell:
        "{params.program} --predictions {params.predictions:q} --settings {params.settings:q} --choice {output.choice:q}"
        " --scores {output.scores:q} --figures {output.svg:q} {output.png:q} --log {log:q}"


rule select:
    """The choice among select.candidates by leaving out training patients, as an overlay for other runs."""
    input:
        lambda wildcards: SELECTION if "beats" in CONFIG["targets"] else DIAGNOSIS_SELECTION,

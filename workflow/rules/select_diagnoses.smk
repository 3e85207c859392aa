# Which settings for networks of diagnoses? As for beats, candidates are compared by leaving out training patients: the
# target `select` where `targets` has no beats.
DIAGNOSIS_SELECTION = [
    f"<results>/selection/diagnoses/{name}" for name in ("choice.yaml", "scores.csv", "selection.svg", "selection.png")
]


rule fit_diagnosis_candidate:
    """Predict each fold of the training patients by networks of diagnoses of one candidate, trained on the others."""
    input:
        labels=DIAGNOSIS_LABELS,
        features=every_shard("features.npz", folder="diagnoses/shards"),
        encoder=SHARED_ENCODER_FILES,
    output:
        predictions=ensure("<results>/selection/diagnoses/held_out/{candidate}/{seed}.parquet", non_empty=True),
    log:
        "<logs>/selection/diagnoses/{candidate}/{seed}.log",
    benchmark:
        "<benchmarks>/selection/diagnoses/{candidate}/{seed}.tsv"
    wildcard_constraints:
        candidate=CANDIDATES,
        seed="|".join(map(str, CONFIG["select"]["seeds"])),
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG["compute_threads"]
    resources:
        mem_mb=memory(2000),
        runtime=120,
    params:
        program=program("fit_diagnosis_candidate"),
        code=code("fit_diagnosis_candidate"),
        settings=diagnosis_candidate_settings,
        table_content=file_digest(CONFIG["select"]["table"]),
        table=option("--table", CONFIG["select"]["table"]),
        encoder=option("--encoder", SHARED_ENCODER),
    shell:
        "{params.program} --labels {input.labels:q} --features {input.features:q} {params.table} {params.encoder}"
        " --settings {params.settings:q} --predictions {output.predictions:q} --log {log:q}"


rule choose_diagnosis_candidate:
    """Score the candidates over the patients left out, choose the first that isn't surely worse than the best."""
    input:
        predictions=candidate_predictions("selection/diagnoses/held_out"),
    output:
        choice=ensure(DIAGNOSIS_SELECTION[0], non_empty=True),
        scores=report(
            ensure(DIAGNOSIS_SELECTION[1], non_empty=True),
            caption="../report/selection_diagnoses.rst",
            category="Selection",
        ),
        svg=report(
            ensure(DIAGNOSIS_SELECTION[2], non_empty=True),
            caption="../report/selection_figure.rst",
            category="Selection",
        ),
        png=ensure(DIAGNOSIS_SELECTION[3], non_empty=True),
    log:
        "<logs>/selection/diagnoses/choose.log",
    benchmark:
        "<benchmarks>/selection/diagnoses/choose.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG["compute_threads"]
    resources:
        mem_mb=memory(2000),
        runtime=30,
    params:
        program=program("choose_diagnosis_candidate"),
        code=code("choose_diagnosis_candidate"),
        settings=settings("select", "seed", "run", "evaluate.bootstrap", "evaluate.level"),
        predictions=by_candidate,
    shell:
        "{params.program} --predictions {params.predictions:q} --settings {params.settings:q} --choice {output.choice:q}"
        " --scores {output.scores:q} --figures {output.svg:q} {output.png:q} --log {log:q}"

# Networks of diagnoses: without each fold of the patients, and of all; what they say of every record.


rule train_diagnosis_fold:
    """Train networks of diagnoses without a fold of the patients, and run them over patients not seen."""
    input:
        labels=DIAGNOSIS_LABELS,
        features=every_shard("features.npz", folder="diagnoses/shards"),
        encoder=SHARED_ENCODER_FILES,
    output:
        outputs=ensure("<results>/diagnoses/folds/{fold}.npz", non_empty=True),
        bundle=ensure("<results>/diagnoses/folds/{fold}/bundle.json", non_empty=True),
        arrays=ensure("<results>/diagnoses/folds/{fold}/arrays.npz", non_empty=True),
    log:
        "<logs>/train_diagnosis_fold/{fold}.log",
    benchmark:
        "<benchmarks>/train_diagnosis_fold/{fold}.tsv"
    wildcard_constraints:
        fold=r"\d+",
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG["compute_threads"]
    resources:
        mem_mb=memory(2000),
        runtime=120,
    params:
        program=program("train_diagnosis_fold"),
        code=code("train_diagnosis_fold"),
        settings=diagnosis_bundle_settings,
        table_contents=tables("diagnoses"),
        weight_content=file_digest(CHALLENGE_WEIGHTS),
        files=diagnosis_files,
        folder=lambda wildcards, output: Path(output.bundle).parent,
        encoder=option("--encoder", SHARED_ENCODER),
    shell:
        "{params.program} --labels {input.labels:q} --features {input.features:q} --fold {wildcards.fold}"
        " {params.files} {params.encoder} --settings {params.settings:q} --outputs {output.outputs:q} --bundle {params.folder:q}"
        " --log {log:q}"


if not CONFIG["diagnoses"]["bundle"]:

    rule bundle_diagnoses:
        """Train the network of diagnoses on all training patients; fit its decision on patients not seen."""
        input:
            labels=DIAGNOSIS_LABELS,
            features=every_shard("features.npz", folder="diagnoses/shards"),
            folds=DIAGNOSIS_OUTPUTS,
            encoder=SHARED_ENCODER_FILES,
        output:
            bundle=ensure(DIAGNOSIS_BUNDLE_FILES[0], non_empty=True),
            arrays=ensure(DIAGNOSIS_BUNDLE_FILES[1], non_empty=True),
        log:
            "<logs>/bundle_diagnoses.log",
        benchmark:
            "<benchmarks>/bundle_diagnoses.tsv"
        conda:
            "../../envs/torch.yaml"
        threads: CONFIG["compute_threads"]
        resources:
            mem_mb=memory(2000),
            runtime=60,
        params:
            program=program("bundle_diagnoses"),
            code=code("bundle_diagnoses"),
            settings=diagnosis_bundle_settings,
            table_contents=tables("diagnoses"),
            weight_content=file_digest(CHALLENGE_WEIGHTS),
            files=diagnosis_files,
            output=lambda wildcards, output: Path(output.bundle).parent,
            encoder=option("--encoder", SHARED_ENCODER),
        shell:
            "{params.program} --labels {input.labels:q} --features {input.features:q} --folds {input.folds:q}"
            " {params.files} {params.encoder} --settings {params.settings:q} --output {params.output:q} --log {log:q}"


rule predict_diagnoses:
    """Say which diagnoses each record has: training records by networks without them, others by the bundle."""
    input:
        labels=DIAGNOSIS_LABELS,
        features=every_shard("features.npz", folder="diagnoses/shards"),
        folds=DIAGNOSIS_OUTPUTS,
        fold_bundles=[f"{folder}/bundle.json" for folder in DIAGNOSIS_FOLD_BUNDLES],
        bundle=DIAGNOSIS_BUNDLE_FILES,
    output:
        predictions=ensure(DIAGNOSIS_PREDICTIONS[0], non_empty=True),
        fewer_leads=ensure(DIAGNOSIS_PREDICTIONS[1], non_empty=True),
    log:
        "<logs>/predict_diagnoses.log",
    benchmark:
        "<benchmarks>/predict_diagnoses.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG["compute_threads"]
    resources:
        mem_mb=memory(2000),
        runtime=60,
    params:
        program=program("predict_diagnoses"),
        code=code("predict_diagnoses"),
        settings=settings("signal", "rpeaks", "beats", "quality", "leads", "compute_threads"),
        bundle=folders("bundle"),
        folds=lambda wildcards, input: shlex.join(["--folds", *as_list(input.folds)]),
        fold_bundles=folders("fold_bundles"),
    shell:
        "{params.program} --labels {input.labels:q} --features {input.features:q} {params.folds}"
        " --fold-bundles {params.fold_bundles:q} --bundle {params.bundle:q} --settings {params.settings:q}"
        " --predictions {output.predictions:q} --lead-predictions {output.fewer_leads:q} --log {log:q}"

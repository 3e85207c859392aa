# Figures of the beats that were watched while the network learnt.
WATCH_FIGURES = ["<results>/figures/watch.tsv"] if WATCHED else []

if WATCHED:

    rule draw_watch:
        """Draw the maps of every watched beat: a row a class, a column an epoch, to scale."""
        input:
            cohort="<results>/watch/cohort.npz",
            maps=MAPS,
        output:
            folder=report(
                directory("<results>/figures/watch"),
                patterns=["{case}.svg"],
                caption="../report/watch.rst",
                category="Model",
                labels={"case": "{case}"},
            ),
            index=ensure("<results>/figures/watch.tsv", non_empty=True),
        log:
            "<logs>/draw_watch.log",
        benchmark:
            "<benchmarks>/draw_watch.tsv"
        conda:
            "../../envs/base.yaml"
        threads: CONFIG["compute_threads"]
        resources:
            mem_mb=memory(1000),
            runtime=15,
        params:
            program=program("draw_watch"),
            code=code("draw_watch"),
            settings=settings("figures.watch", "figures.colour_map", "report.speed_mm_s", "report.gain_mm_mv"),
            index=program("index_folder"),
            index_code=code("index_folder"),
        shell:
            "{params.program} --cohort {input.cohort:q} --epochs {input.maps:q} --settings {params.settings:q}"
            " --output {output.folder:q} --log {log:q}"
            " && {params.index} --folder {output.folder:q} --output {output.index:q}"

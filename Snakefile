# The entry for plain `snakemake`; the graph is workflow/Snakefile.
include: "workflow/Snakefile"


# Including a file keeps the default target of the including one, which has none.
if workflow.modifier.is_main_snakefile():
    workflow.default_target = "all"

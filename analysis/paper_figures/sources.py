"""What a paper figure is made of: the records in an experiment's folder.

A folder belongs to a paper figure if the configuration in its records says so::

    figure: {number: "10"}
    scaled: ["8 models instead of 35", …]        # printed under the figure
    paper: {workload: ResNet-18, items: 2000, distribution: TOP_LAYERS}    # the published cell a run stands for

Most figures are made of run records, ``<folder>/<id>/run.json``: a cell is a run, its approach the name of its
strategy. Figure 5 is too: each run scores one model with the strategy ``base``. Two figures come from other files,
which hold the same configuration as ``config``:

``<folder>/<id>/blocks.json`` (Fig 12), one file a model::

    {"schema": 1, "config": {…}, "environment": {…}, "blocks": [
        {"name": "encoder_layer_0", "parameters": 12596224, "inference_s": [0.0031, …]}, …]}

blocks in execution order, parameters as a number of values, inference as seconds a batch, one of each repeat.

``<folder>/<id>/overlap.json`` (overlap), one file a family of models: what ``alsatian overlap`` writes, with
``config`` beside it.
"""

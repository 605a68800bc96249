"""The figures of the paper, each in the paper's arrangement, ours beside the published; and what became of its claims.

``draw`` and ``verdicts`` take the folder of an experiment, e.g. ``results/fig10``, and read only its records.
"""

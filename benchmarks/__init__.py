"""The grid of data sets, enhancers and models: plan, run, store, score, compare."""

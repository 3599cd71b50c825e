"""Runtime of enhancers: engines behind one interface, tiling, and custom CPU kernels."""

"""How enhancers are run: engines behind one interface, tiles, and kernels of our own."""

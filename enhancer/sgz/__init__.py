"""SGZ: network, tone curve and enhancer."""

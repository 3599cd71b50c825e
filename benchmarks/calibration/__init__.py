"""Calibration of intervals and p-values on simulated worlds whose differences are known."""

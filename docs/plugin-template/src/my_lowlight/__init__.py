"""An enhancer, a metric and a data set for sgz-bench."""

"""How a challenger is made and judged: dataset, pipeline, tuning, evaluation, gate."""

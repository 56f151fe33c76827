"""One use case a file: what a DAG's task or a command calls."""

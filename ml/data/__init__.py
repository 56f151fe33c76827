"""Where rows come from and where they stay: deliveries, casting, and the append-only tables of a model."""

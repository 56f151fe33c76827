"""One operator a step: it keeps its arguments, imports late, calls one function of `ml.jobs`, and says in its log what was done."""

"""A student's own loop: the public checks on one's own code, without the solution."""

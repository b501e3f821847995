"""From an assignment and submissions to stored results."""

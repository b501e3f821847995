"""From what a student handed in to source code and what is known of it without running it."""

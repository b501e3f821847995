"""For instructors: skeletons cut from solutions, new assignments."""

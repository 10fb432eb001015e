"""Collects students' results into one table, and refuses files that are not what they should be."""

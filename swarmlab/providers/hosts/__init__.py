"""Nodes on machines that exist already: their own engines, left as they were found."""

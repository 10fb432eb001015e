"""Handouts: from a lab and a recording of it to paper, a web page, or Markdown."""

"""From the text of a lab file to the lab: YAML with places, fields, and what must fit together."""

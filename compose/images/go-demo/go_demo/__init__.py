"""go-demo: the small web service of the lab, with people kept in a MongoDB-like database."""

"""What somebody needs who is asked for help: collected, cleaned, listed."""

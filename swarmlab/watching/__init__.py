"""Looking at a running lab again and again: what its proxies hold, and what they answer."""

"""Search of a network: draws from a space of recipes, and successive halving over runs of growing length."""

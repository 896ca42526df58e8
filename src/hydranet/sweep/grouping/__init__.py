"""Which tasks belong in one network (Standley et al., ICML 2020, arXiv 1905.07553)."""

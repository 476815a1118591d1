"""Variants in VCF and BCF: the header made anew from what is allowed, the samples named and ordered for one project."""

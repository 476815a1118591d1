"""The machine under the house: an engine of our own, the notebook image, the proxy, and whether they are well."""

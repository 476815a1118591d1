"""FHIR resources: each path that is not allowed is dropped, each reference leads to a person of the project."""

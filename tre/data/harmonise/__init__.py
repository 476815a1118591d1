"""De-identified FHIR resources are told again in the tables of the OMOP Common Data Model 5.4."""

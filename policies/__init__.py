"""The data access committee's rules as code. Imports nothing of ours; touches no database and no network."""

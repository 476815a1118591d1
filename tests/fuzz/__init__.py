"""Whatever comes from outside is parsed: libFuzzer looks for bytes that do anything but be read or be refused.

python -m tests.fuzz                          which targets there are
python -m tests.fuzz fhir --seconds 3600      look for an hour; what was found lies in the folder that is told
python -m tests.fuzz fhir FILE...             try these files again
"""

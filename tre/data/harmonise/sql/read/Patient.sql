INSERT INTO patient BY NAME
SELECT
    id,
    birthDate AS born,
    gender,
    list_transform(list_filter(flatten(list_transform(list_filter(extension, lambda e: ends_with(e.url, '/us-core-race')),
        lambda e: e.extension)), lambda e: e.url = 'ombCategory'), lambda e: e.valueCoding) AS races,
    list_transform(list_filter(flatten(list_transform(list_filter(extension, lambda e: ends_with(e.url, '/us-core-ethnicity')),
        lambda e: e.extension)), lambda e: e.url = 'ombCategory'), lambda e: e.valueCoding) AS ethnicities,
    deceasedDateTime AS died,
    coalesce(deceasedBoolean, deceasedDateTime IS NOT NULL) AS dead
FROM read_json($path, format = 'newline_delimited', columns = {
    id: 'VARCHAR', birthDate: 'VARCHAR', gender: 'VARCHAR', deceasedDateTime: 'VARCHAR', deceasedBoolean: 'BOOLEAN',
    extension: 'STRUCT(url VARCHAR, extension STRUCT(url VARCHAR, valueCoding STRUCT(system VARCHAR, code VARCHAR))[])[]'
});

INSERT INTO medication BY NAME
SELECT id, code.coding AS codings
FROM read_json($path, format = 'newline_delimited', columns = {
    id: 'VARCHAR', code: 'STRUCT(coding STRUCT(system VARCHAR, code VARCHAR)[])'
});

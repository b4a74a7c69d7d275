"""Files of archived months, altered in place."""

import pyarrow as pa
import pyarrow.parquet as pq


def flip(path, place):
    content = bytearray(path.read_bytes())
    content[place] ^= 0xFF
    path.write_bytes(content)


def rewrite(path, name, change):
    table = pq.read_table(path)
    field = table.schema.field(name)
    column = pa.array(change(table[name].to_pylist()), field.type)
    pq.write_table(
        table.set_column(table.schema.get_field_index(name), field, column), path
    )

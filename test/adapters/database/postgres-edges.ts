import type { Edge } from './edges.ts'

export const POSTGRES_EDGES: readonly Edge[] = [
  {
    type: 'numeric(38, 10)',
    values: [['1234567890123456789012345678.1', '1234567890123456789012345678.1000000000']],
  },
  { type: 'numeric', values: [["'NaN'", 'NaN']] },
  { type: 'numeric(12, 2)', values: [['1.1', '1.10']] },
  {
    type: 'bigint',
    values: [
      ['-9223372036854775808', '-9223372036854775808'],
      ['9223372036854775807', '9223372036854775807'],
    ],
  },
  {
    type: 'double precision',
    values: [
      ['0.1', '0.1'],
      ["'-Infinity'", '-Infinity'],
    ],
  },
  { type: 'real', values: [['16777217', '1.6777216e+07']] },
  { type: 'money', values: [["'1234567.89'", '$1,234,567.89']] },
  {
    type: 'timestamptz',
    values: [
      ["'2026-03-01 08:00:00.123456+08'", '2026-03-01 00:00:00.123456+00'],
      ["'infinity'", 'infinity'],
    ],
  },
  {
    type: 'timestamp',
    values: [
      ["'2026-10-25 02:30:00'", '2026-10-25 02:30:00'],
      ["'0044-03-15 12:00:00 BC'", '0044-03-15 12:00:00 BC'],
    ],
  },
  {
    type: 'date',
    values: [
      ["'2026-02-28'", '2026-02-28'],
      ["'-infinity'", '-infinity'],
    ],
  },
  { type: 'time', values: [["'24:00:00'", '24:00:00']] },
  { type: 'timetz', values: [["'08:00:00+08'", '08:00:00+08']] },
  { type: 'interval', values: [["'1 mon 2 days 03:04:05.6'", 'P1M2DT3H4M5.6S']] },
  { type: 'boolean', values: [['true', 't']] },
  { type: 'char(6)', values: [["'0010'", '0010  ']] },
  { type: 'varchar(6)', values: [["' 10 '", ' 10 ']] },
  {
    type: 'text',
    values: [
      ["E'a\\tb\\n\\u4e2d'", 'a\tb\n中'],
      ['NULL', null],
    ],
  },
  { type: 'bytea', values: [["'\\x00ff'", '\\x00ff']] },
  { type: 'integer[]', values: [["'{1,NULL,3}'", '{1,NULL,3}']] },
  { type: 'text[]', values: [[`'{"a,b","c\\"d"}'`, '{"a,b","c\\"d"}']] },
  { type: 'json', values: [[`'{"a": 1.10}'`, '{"a": 1.10}']] },
  { type: 'jsonb', values: [[`'{"a": 1.10}'`, '{"a": 1.10}']] },
  {
    type: 'uuid',
    values: [["'019C0000-0000-7000-8000-000000000001'", '019c0000-0000-7000-8000-000000000001']],
  },
  { type: 'inet', values: [["'10.0.0.1/8'", '10.0.0.1/8']] },
  { type: 'bit(5)', values: [["B'00101'", '00101']] },
  { type: 'int4range', values: [["'[1,5)'", '[1,5)']] },
]

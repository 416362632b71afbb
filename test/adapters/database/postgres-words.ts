import type { Words } from './words.ts'

export const postgresWords: Words = {
  quoted: (name) => `"${name}"`,
  types: {
    small: 'smallint',
    bigint: 'bigint',
    double: 'double precision',
    decimal: (precision, scale) => `numeric(${precision}, ${scale})`,
    text: (length) => `varchar(${length})`,
    char: (length) => `char(${length})`,
    instant: 'timestamptz',
    local: 'timestamp',
    date: 'date',
  },
  text: (value) => `'${value.replaceAll("'", "''")}'`,
  instant: (reading) => `timestamptz '${reading}+00'`,
  local: (reading) => `timestamp '${reading}'`,
  date: (day) => `date '${day}'`,
  now: {
    instant: 'clock_timestamp()',
    local: "(clock_timestamp() AT TIME ZONE 'UTC')",
    date: "(clock_timestamp() AT TIME ZONE 'UTC')::date",
  },
  later: (expression, seconds) => `(${expression} + ${seconds} * interval '1 second')`,
  series: (first, last) => `generate_series(${first}, ${last}) AS s(n)`,
  one: (text) => `SELECT '${text}'::text`,
  dropColumn: (table, column) => `ALTER TABLE [${table}] DROP COLUMN [${column}]`,
  renameColumn: (table, column, name) => `ALTER TABLE [${table}] RENAME COLUMN [${column}] TO [${name}]`,
  becomesText: (table, column) => `ALTER TABLE [${table}] ALTER COLUMN [${column}] TYPE text`,
  traits: { padsChar: true, tellsCase: true },
}

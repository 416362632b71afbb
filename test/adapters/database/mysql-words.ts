import type { Words } from './words.ts'

/** The words of MySQL 8 and MariaDB. The session that says them is in UTC. */
export const mysqlWords: Words = {
  quoted: (name) => `\`${name}\``,
  types: {
    small: 'smallint',
    bigint: 'bigint',
    double: 'double',
    decimal: (precision, scale) => `decimal(${precision}, ${scale})`,
    text: (length) => `varchar(${length})`,
    char: (length) => `char(${length})`,
    instant: 'timestamp(6)',
    local: 'datetime(6)',
    date: 'date',
  },
  text: (value) => `'${value.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`,
  instant: (reading) => `'${reading}'`,
  local: (reading) => `'${reading}'`,
  date: (day) => `'${day}'`,
  now: { instant: 'now(6)', local: 'utc_timestamp(6)', date: 'utc_date()' },
  later: (expression, seconds) => `(${expression} + INTERVAL ${seconds} SECOND)`,
  series: (first, last) =>
    `(WITH RECURSIVE series (n) AS (SELECT ${first} UNION ALL SELECT n + 1 FROM series WHERE n < ${last}) SELECT n FROM series) AS s`,
  one: (text) => `SELECT '${text}'`,
  dropColumn: (table, column) => `ALTER TABLE [${table}] DROP COLUMN [${column}]`,
  renameColumn: (table, column, name) => `ALTER TABLE [${table}] RENAME COLUMN [${column}] TO [${name}]`,
  becomesText: (table, column) => `ALTER TABLE [${table}] MODIFY COLUMN [${column}] varchar(20)`,
  traits: { padsChar: false, tellsCase: false },
}

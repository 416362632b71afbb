import type { Words } from './words.ts'

export const sqlServerWords: Words = {
  quoted: (name) => `[${name}]`,
  types: {
    small: 'smallint',
    bigint: 'bigint',
    double: 'float',
    decimal: (precision, scale) => `decimal(${precision}, ${scale})`,
    text: (length) => `nvarchar(${length})`,
    char: (length) => `nchar(${length})`,
    instant: 'datetimeoffset(6)',
    local: 'datetime',
    date: 'date',
  },
  text: (value) => `N'${value.replaceAll("'", "''")}'`,
  instant: (reading) => `CONVERT(datetimeoffset(6), '${reading.replace(' ', 'T')}Z', 127)`,
  local: (reading) => `CONVERT(datetime, '${reading}', 121)`,
  date: (day) => `CONVERT(date, '${day}', 23)`,
  now: {
    instant: 'SYSDATETIMEOFFSET()',
    local: 'GETUTCDATE()',
    date: 'CAST(GETUTCDATE() AS date)',
  },
  later: (expression, seconds) => `DATEADD(second, ${seconds}, ${expression})`,
  series: (first, last) =>
    `(SELECT TOP (${last - first + 1}) ROW_NUMBER() OVER (ORDER BY (SELECT NULL)) + ${first - 1} AS n FROM sys.all_columns a CROSS JOIN sys.all_columns b) AS s`,
  one: (text) => `SELECT N'${text}'`,
  dropColumn: (table, column) => `ALTER TABLE [${table}] DROP COLUMN [${column}]`,
  renameColumn: (table, column, name) => `EXEC sp_rename '${table}.${column}', '${name}', 'COLUMN'`,
  becomesText: (table, column) => `ALTER TABLE [${table}] ALTER COLUMN [${column}] nvarchar(40)`,
  // Most databases have a collation that takes a and A for the same.
  traits: { padsChar: true, tellsCase: false },
}

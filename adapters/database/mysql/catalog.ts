import type { Reading } from '../clock.ts'
import type { Bind, Statement } from '../transport.ts'
import { binding } from '../transport.ts'
import { partsOfName } from './dialect.ts'
import { placeholder } from './placeholders.ts'

/** Names of the columns of a table that are never null. */
export function neverNull(table: string, bind: Bind): string {
  return `SELECT c.column_name FROM information_schema.columns c
    WHERE ${isTable('c', table, bind)} AND c.is_nullable = 'NO'`
}

/** Whether an index begins with a column; see `Dialect.cursorIndex`. */
export function cursorIndex(table: string, column: string): Statement {
  const { parameters, bind } = binding()
  return {
    text: `SELECT CASE WHEN NOT EXISTS (
        SELECT 1 FROM information_schema.statistics s WHERE ${isTable('s', table, bind)}
          AND s.seq_in_index = 1 AND s.index_type = 'BTREE' AND s.column_name = ${text(column, bind)})
      THEN 'No index of ${literal(table)} begins with ${literal(column)}: every poll reads the whole table.' END
      FROM information_schema.tables t WHERE ${isTable('t', table, bind)} AND t.engine IS NOT NULL`,
    parameters,
  }
}

/** See `Dialect.advice`. */
export function advice(
  subject: Readonly<{ table: string; key: readonly string[] }> | null,
  isOpen: boolean,
): readonly Statement[] {
  if (subject !== null)
    return [writable(subject.table), uniqueness(subject.table, subject.key), transactions(subject.table)]
  return isOpen ? [{ text: "SELECT 'The connection is not encrypted; set tls.'", parameters: [] }] : []
}

/**
 * See `Dialect.otherZone`. Our own session is pinned to UTC. Tables of zones are empty in many servers: what the given
 * zone's clock shows is told by us.
 */
export function otherZone(_zone: string, year: readonly Reading[]): Statement {
  const { parameters, bind } = binding()
  const own = '@@global.time_zone'
  const datetime = (value: string) => `CAST(${placeholder(bind(value), 'datetime')} AS DATETIME)`
  const months = year.map(
    ({ moment, local }) => `SELECT ${datetime(moment)} AS moment, ${datetime(local)} AS reading`,
  )
  const clock = (reading: string) => text(reading.slice(11, 16), bind)
  return {
    text: `SELECT CASE ${own} WHEN 'SYSTEM' THEN @@system_time_zone ELSE ${own} END,
        DATE_FORMAT(CONVERT_TZ(UTC_TIMESTAMP(), '+00:00', ${own}), '%H:%i'), ${clock(year[0]?.local ?? '')}
      FROM DUAL WHERE EXISTS (SELECT 1 FROM (${months.join(' UNION ALL ')}) m
        WHERE CONVERT_TZ(m.moment, '+00:00', ${own}) <> m.reading)`,
    parameters,
  }
}

function writable(table: string): Statement {
  const { parameters, bind } = binding()
  const account = `CONCAT("'", SUBSTRING_INDEX(CURRENT_USER(), '@', 1), "'@'", SUBSTRING_INDEX(CURRENT_USER(), '@', -1), "'")`
  const writes = "privilege_type IN ('INSERT', 'UPDATE', 'DELETE', 'DROP', 'ALTER')"
  const [schema, name] = schemaAndName(table, bind)
  return {
    // Names of databases in a grant may be patterns. What comes by a role is not seen here.
    text: `SELECT 'The account may change ${literal(table)}; grant it SELECT and nothing else.', 'warning' FROM DUAL
      WHERE EXISTS (SELECT 1 FROM information_schema.user_privileges WHERE grantee = ${account} AND ${writes})
         OR EXISTS (SELECT 1 FROM information_schema.schema_privileges
              WHERE grantee = ${account} AND ${writes} AND ${schema} LIKE table_schema)
         OR EXISTS (SELECT 1 FROM information_schema.table_privileges
              WHERE grantee = ${account} AND ${writes} AND table_schema = ${schema} AND table_name = ${name})`,
    parameters,
  }
}

function uniqueness(table: string, key: readonly string[]): Statement {
  const { parameters, bind } = binding()
  return {
    text: `SELECT 'No unique index of ${literal(table)} lies within ${literal(key.join(', '))}: rows that share a key are rejected.'
      FROM information_schema.tables t WHERE ${isTable('t', table, bind)} AND t.engine IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM information_schema.statistics s WHERE ${isTable('s', table, bind)} AND s.non_unique = 0
        GROUP BY s.index_name
        HAVING SUM(CASE WHEN s.column_name IN (${key.map((column) => text(column, bind)).join(', ')}) THEN 0 ELSE 1 END) = 0)`,
    parameters,
  }
}

/** MyISAM and others know no transactions. */
function transactions(table: string): Statement {
  const { parameters, bind } = binding()
  return {
    text: `SELECT CONCAT('${literal(table)} is of the engine ', t.engine, ', which knows no transactions: what belongs together may be read from before and after a change.')
      FROM information_schema.tables t JOIN information_schema.engines e ON e.engine = t.engine
      WHERE ${isTable('t', table, bind)} AND e.transactions = 'NO'`,
    parameters,
  }
}

function isTable(alias: string, table: string, bind: Bind): string {
  const [schema, name] = schemaAndName(table, bind)
  return `${alias}.table_schema = ${schema} AND ${alias}.table_name = ${name}`
}

function schemaAndName(table: string, bind: Bind): readonly [schema: string, name: string] {
  const [first = '', second] = partsOfName(table)
  return second === undefined ? ['DATABASE()', text(first, bind)] : [text(first, bind), text(second, bind)]
}

function text(value: string, bind: Bind): string {
  return placeholder(bind(value), 'text')
}

/** Inside a quoted SQL text. */
function literal(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll("'", "''")
}

import type { CursorType, Dialect, Row, Statement } from '../transport.ts'
import { binding } from '../transport.ts'

/**
 * How PostgreSQL (10 and later) says what the session logic wants. Every parameter is sent as text and read by the
 * server as the type it is meant to be, so no client library ever guesses a type.
 */
export const postgresDialect: Dialect = {
  engine: 'postgres',
  column: quote,
  table: quoteTable,
  value: (parameter, type) => `$${parameter}::text::${type}`,
  // The driver hands over what the server writes, and the session pins how it writes.
  selected: (column) => column,
  hidesTypes: false,
  // An index on the columns serves the comparison of whole rows, not that of columns joined by OR.
  compared: (left, operator, right) => `(${left.join(', ')}) ${operator} (${right.join(', ')})`,
  shape: (from) => `SELECT * FROM ${from} LIMIT 0`,
  limited: (query, rows) => `${query} LIMIT ${rows}`,
  typeNames(types, bind) {
    const names = types.map((type) => {
      const [oid = '', modifier = '-1'] = type.split(':')
      return `format_type($${bind(oid)}::text::oid, $${bind(modifier)}::text::integer)`
    })
    return `SELECT ${names.join(', ')}`
  },
  neverNull: (table, bind) => `SELECT a.attname::text FROM pg_attribute a
    WHERE a.attrelid = ${regclass(table, bind)} AND a.attnotnull AND a.attnum > 0 AND NOT a.attisdropped`,
  tuples(types, tuples, bind) {
    const arrays = types.map((type, column) => {
      const parameter = bind(arrayLiteral(tuples.map((tuple) => tuple[column] ?? null)))
      return `$${parameter}::text::${type}[]`
    })
    const names = types.map((_, column) => `v${column + 1}`)
    return `unnest(${arrays.join(', ')}) WITH ORDINALITY AS h(${names.join(', ')}, i)`
  },
  cursorType,
  less(expression, type, overlap) {
    if ('count' in overlap) return `(${expression} - ${overlap.count})`
    // Back to the column's own type: a day less ten minutes is the day before, of which all must be read.
    return `(${expression} - interval '${overlap.ms} milliseconds')::${type}`
  },
  clock: `SELECT ${utc('clock_timestamp()')}`,
  moment(parameter, type) {
    const reading = `$${parameter}::text::timestamp`
    return cursorType(type) === 'instant' ? `(${reading} AT TIME ZONE 'UTC')` : `${reading}::${type}`
  },
  // A backend forgets the start of its transaction after the transaction has become visible, not before. What was
  // prepared for a commit in two phases has no backend any more. On a standby the transactions are elsewhere.
  openTransactions: `WITH allowed AS (SELECT WHERE NOT pg_is_in_recovery()
      AND pg_has_role(current_user, 'pg_read_all_stats', 'USAGE')
      AND NOT EXISTS (SELECT FROM pg_stat_activity WHERE state = 'disabled' AND datname = current_database()))
    SELECT '', '' FROM allowed
    UNION ALL SELECT pid || '/' || extract(epoch FROM xact_start), ${utc('xact_start')}
      FROM allowed, pg_stat_activity WHERE datname = current_database() AND xact_start IS NOT NULL
        AND pid <> pg_backend_pid() AND backend_type NOT IN ('autovacuum worker', 'walsender')
    UNION ALL SELECT 'prepared/' || transaction, ${utc('prepared')}
      FROM allowed, pg_prepared_xacts WHERE database = current_database()`,
  // 64 bits, so it never wraps; asking takes no transaction id, and is allowed on a standby as well. Newer servers
  // call it pg_snapshot_xmax and keep this name.
  horizon: 'SELECT txid_snapshot_xmax(txid_current_snapshot())::text',
  checksums: {
    // A row as text quotes what needs it, so that no two rows are the same text. MD5 gives the same in all versions.
    fingerprint: (columns) =>
      `('x' || left(md5(ROW(${columns.map(({ column }) => column).join(', ')})::text), 16))::bit(64)::bigint`,
    text: (number) => number,
    total: (number) => `coalesce(sum(${number}), 0)::text`,
    // concat writes values as the driver gets them; a cast of char(n) to text would lose its blanks.
    key: (columns) =>
      columns
        .map(({ column }) => `replace(replace(concat(${column}), '%', '%25'), '/', '%2F')`)
        .join(` || '/' || `),
    bucket: (text, buckets) => `(('x' || left(md5(${text}), 8))::bit(32)::bigint % ${buckets})`,
  },
  identities: () => [
    // The system identifier is minted by initdb; the timeline rises with each recovery to a point in time. A failover
    // raises it as well, and then a person must say that no commit was lost.
    `SELECT 'postgres:' || s.system_identifier || '/' || d.oid || ':' || d.datname || '/timeline-' || c.timeline_id
       FROM pg_control_system() s, pg_control_checkpoint() c, pg_database d WHERE d.datname = current_database()`,
    // Where a hardened server keeps the control file from this account: what the catalog tells.
    `SELECT 'postgres:' || d.oid || ':' || d.datname FROM pg_database d WHERE d.datname = current_database()`,
  ],
  otherZone,
  cursorIndex,
  advice: (subject) =>
    subject === null
      ? [ABOUT_SERVER, ABOUT_ACCOUNT]
      : [
          writable(subject.table),
          uniqueness(subject.table, subject.key),
          nullsAmong(subject.table, subject.cursor),
        ],
}

function utc(moment: string): string {
  return `to_char(${moment} AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')`
}

function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** Parts are separated by dots; a part that holds a dot is written in double quotes. */
function quoteTable(name: string): string {
  const parts = name.match(/"(?:[^"]|"")+"|[^."]+/g) ?? [name]
  return parts
    .map((part) => (part.startsWith('"') ? part.slice(1, -1).replaceAll('""', '"') : part))
    .map(quote)
    .join('.')
}

function regclass(table: string, bind: (value: string) => number): string {
  return `$${bind(quoteTable(table))}::text::regclass`
}

function arrayLiteral(values: Row): string {
  const items = values.map((value) =>
    value === null ? 'NULL' : `"${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`,
  )
  return `{${items.join(',')}}`
}

function cursorType(type: string): CursorType | null {
  if (/^timestamp(\(\d\))? with time zone$/.test(type)) return 'instant'
  if (/^timestamp(\(\d\))? without time zone$/.test(type)) return 'local'
  if (type === 'date') return 'date'
  return /^(smallint|integer|bigint|numeric(\(.*\))?)$/.test(type) ? 'number' : null
}

const ABOUT_SERVER: Statement = {
  text: `SELECT 'The server stores text without an encoding (SQL_ASCII): characters may be read wrongly.'
      WHERE current_setting('server_encoding') = 'SQL_ASCII'
    UNION ALL
    SELECT 'The connection is not encrypted; set tls.' FROM pg_stat_ssl
      WHERE pid = pg_backend_pid() AND NOT ssl AND NOT inet_client_addr() <<= '127.0.0.0/8'::inet
        AND inet_client_addr() <> '::1'::inet`,
  parameters: [],
}

/** Of all tables, since a select may read any of them. */
const ABOUT_ACCOUNT: Statement = {
  text: `SELECT CASE WHEN current_setting('is_superuser') = 'on' THEN 'The account is a superuser, and may change everything'
        ELSE 'The account may change tables of this database: ' || min(c.oid::regclass::text)
          || CASE WHEN count(*) > 1 THEN ' and ' || count(*) - 1 || ' more' ELSE '' END
      END || '; use one that is granted SELECT and nothing else.', 'warning'
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'f') AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'
      AND has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
    HAVING count(*) > 0`,
  parameters: [],
}

function writable(table: string): Statement {
  const { parameters, bind } = binding()
  const relation = regclass(table, bind)
  return {
    text: `SELECT 'The account may change ${literal(table)}; grant it SELECT and nothing else.', 'warning'
      WHERE has_table_privilege(${relation}, 'INSERT') OR has_table_privilege(${relation}, 'UPDATE')
         OR has_table_privilege(${relation}, 'DELETE') OR has_table_privilege(${relation}, 'TRUNCATE')`,
    parameters,
  }
}

function uniqueness(table: string, key: readonly string[]): Statement {
  const { parameters, bind } = binding()
  const relation = regclass(table, bind)
  return {
    text: `SELECT 'No unique index of ${literal(table)} lies within ${literal(key.join(', '))}: rows that share a key are rejected.'
      FROM pg_class c WHERE c.oid = ${relation} AND c.relkind IN ('r', 'p', 'm') AND NOT EXISTS (
        SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisunique AND i.indpred IS NULL AND NOT EXISTS (
          SELECT FROM unnest(i.indkey::smallint[]) AS n(attnum)
          LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = n.attnum
          WHERE NOT coalesce(a.attname::text = ANY ($${bind(arrayLiteral(key))}::text::text[]), false)))`,
    parameters,
  }
}

/** Our own session is pinned to UTC; `reset_val` is what this account had without that. */
function otherZone(zone: string): Statement {
  const { parameters, bind } = binding()
  const given = `$${bind(zone)}::text`
  const clock = (of: string) => `to_char(now() AT TIME ZONE ${of}, 'HH24:MI')`
  return {
    // Hours are compared and not names: Etc/UTC is UTC. Over a year, since two zones may agree in winter only.
    text: `SELECT s.reset_val, ${clock('s.reset_val')}, ${clock(given)} FROM pg_settings s
      WHERE s.name = 'TimeZone' AND EXISTS (
        SELECT FROM (SELECT now() + n * interval '1 month' FROM generate_series(0, 11) n) AS month(at)
        WHERE at AT TIME ZONE s.reset_val <> at AT TIME ZONE ${given})`,
    parameters,
  }
}

function cursorIndex(table: string, column: string): Statement {
  const { parameters, bind } = binding()
  const relation = regclass(table, bind)
  return {
    text: `SELECT CASE WHEN NOT EXISTS (
        SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
        WHERE i.indrelid = c.oid AND i.indisvalid AND i.indpred IS NULL AND a.attname = $${bind(column)}::text)
      THEN 'No index of ${literal(table)} begins with ${literal(column)}: every poll reads the whole table.' END
      FROM pg_class c WHERE c.oid = ${relation} AND c.relkind IN ('r', 'p', 'm')`,
    parameters,
  }
}

/** The statistics answer at once; looking for a null row could read the whole table. */
function nullsAmong(table: string, columns: readonly string[]): Statement {
  const { parameters, bind } = binding()
  return {
    text: `SELECT 'Rows without ' || s.attname || ' are read again at every poll; a select with coalesce gives them a value.'
      FROM pg_stats s JOIN pg_namespace n ON n.nspname = s.schemaname
      JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = s.tablename
      WHERE c.oid = ${regclass(table, bind)} AND s.null_frac > 0
        AND s.attname::text = ANY ($${bind(arrayLiteral(columns))}::text::text[])`,
    parameters,
  }
}

/** Inside a quoted SQL text. */
function literal(text: string): string {
  return text.replaceAll("'", "''")
}

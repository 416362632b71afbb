import { AdapterError } from '../../errors.ts'
import type { Bind, CursorType, Dialect, Row } from '../transport.ts'
import { advice, cursorIndex, neverNull, otherZone } from './catalog.ts'
import { placeholder } from './placeholders.ts'
import { partsOf } from './values.ts'

/**
 * How MySQL (5.7 and later) and MariaDB (10.3 and later) say what the session logic wants. Names stand in backticks,
 * which every sql_mode reads; the driver pins the session. `isOpen`: what passes over the network can be read there.
 */
export function mysqlDialect({ isOpen }: Readonly<{ isOpen: boolean }>): Dialect {
  return {
    engine: 'mysql',
    column: quote,
    table: quoteTable,
    value: orderedBy,
    selected,
    hidesTypes: true,
    compared,
    shape: (from) => `SELECT * FROM ${from} LIMIT 0`,
    limited: (query, rows) => `${query} LIMIT ${rows}`,
    typeNames: null,
    neverNull,
    tuples,
    cursorType,
    less,
    clock: 'SELECT CAST(UTC_TIMESTAMP(6) AS CHAR)',
    moment(parameter, type) {
      const reading = `CAST(${placeholder(parameter, 'datetime')} AS DATETIME(6))`
      return cursorType(type) === 'date' ? `DATE(${reading})` : reading
    },
    // INNODB_TRX asks for PROCESS, and a transaction stands there from its first look at a table on: a value that was
    // taken before has no owner yet.
    openTransactions: null,
    // Numbers of transactions are shown to accounts with PROCESS alone, positions in the binary log where there is one.
    horizon: null,
    checksums: {
      // QUOTE keeps null from a text, and the border of a column from its contents.
      fingerprint: (columns) =>
        numberOf(`CONCAT_WS(',', ${columns.map(({ text }) => `QUOTE(${text})`).join(', ')})`, 16),
      text: (number) => `CAST(${number} AS CHAR)`,
      total: (number) => `CAST(COALESCE(SUM(${number}), 0) AS CHAR)`,
      key: (columns) =>
        `CONCAT(${columns.map(({ text }) => `REPLACE(REPLACE(${text}, '%', '%25'), '/', '%2F')`).join(", '/', ")})`,
      bucket: (text, buckets) => `(${numberOf(text, 8)} % ${buckets})`,
    },
    identities: () => [
      "SELECT CONCAT('mysql:', @@server_uuid, '/', DATABASE())",
      // MariaDB has no id that is minted once; a copy on another machine or in another folder is another server.
      "SELECT CONCAT('mariadb:', @@hostname, ':', @@port, @@datadir, @@server_id, '/', DATABASE(), '/domain-', @@gtid_domain_id)",
    ],
    otherZone,
    cursorIndex,
    advice: (subject) => advice(subject, isOpen),
  }
}

function quote(name: string): string {
  return `\`${name.replaceAll('`', '``')}\``
}

/** Parts are separated by dots; a part that holds a dot is written in backticks. */
function quoteTable(name: string): string {
  return partsOfName(name).map(quote).join('.')
}

/** The parts of a table's name as settings write it. */
export function partsOfName(name: string): readonly string[] {
  const parts = name.match(/`(?:[^`]|``)+`|[^.]+/g) ?? [name]
  return parts.map((part) => (part.startsWith('`') ? part.slice(1, -1).replaceAll('``', '`') : part))
}

/** A number of up to 64 bits, without a sign, from the first hexadecimal digits of a text's MD5. */
function numberOf(text: string, digits: number): string {
  return `CAST(CONV(LEFT(MD5(${text}), ${digits}), 16, 10) AS UNSIGNED)`
}

/**
 * A parameter as a value of the column's own type: a number that is compared with a text is compared as a float, and a
 * text needs the collation of the column to be found by its index.
 */
function orderedBy(parameter: number, type: string): string {
  const { base } = partsOf(type)
  if (base === 'enum' || base === 'set')
    throw new AdapterError(
      'ADAPTER_CONFIG_INVALID',
      `A column of the type ${base} is ordered by its members and compared by their names, so that no page of rows can begin behind a value; read it by a select with CAST(… AS CHAR).`,
    )
  return equalTo(parameter, type)
}

/** The same where it is only asked whether it is equal. */
function equalTo(parameter: number, type: string): string {
  const { base, size, isUnsigned, collation } = partsOf(type)
  switch (base) {
    case 'tinyint':
    case 'smallint':
    case 'mediumint':
    case 'int':
    case 'bigint':
      return `CAST(${placeholder(parameter, 'integer')} AS ${isUnsigned ? 'UNSIGNED' : 'SIGNED'})`
    case 'bit':
    case 'year':
      return `CAST(${placeholder(parameter, 'integer')} AS UNSIGNED)`
    case 'decimal':
      return `CAST(${placeholder(parameter, 'decimal')} AS DECIMAL(${size}))`
    case 'float':
    case 'double':
      return `(${placeholder(parameter, 'float')} + 0e0)`
    case 'date':
      return `CAST(${placeholder(parameter, 'date')} AS DATE)`
    case 'datetime':
    case 'timestamp':
      return `CAST(${placeholder(parameter, 'datetime')} AS DATETIME(6))`
    case 'time':
      return `CAST(${placeholder(parameter, 'time')} AS TIME(6))`
    default:
      if (isBinary(type)) return `UNHEX(${placeholder(parameter, 'hex')})`
      return collated(placeholder(parameter, 'text'), collation)
  }
}

function collated(text: string, collation: string | null): string {
  if (collation === null) return text
  return `CONVERT(${text} USING ${collation.split('_')[0]}) COLLATE ${collation}`
}

function isBinary(type: string): boolean {
  const { base } = partsOf(type)
  return /blob$|binary$|^geometry$/.test(base)
}

function selected(column: string, type: string): string {
  const { base, collation } = partsOf(type)
  // Of a float the server writes six digits, of a double all that it needs.
  if (base === 'float') return `CAST(${column} + 0e0 AS CHAR)`
  if (base === 'bit') return `CAST(${column} + 0 AS CHAR)`
  if (isBinary(type)) return `LOWER(HEX(${column}))`
  // The collation has no meaning here; it is one that clients of any age know.
  return collation === null
    ? `CAST(${column} AS CHAR)`
    : `CONVERT(${column} USING utf8mb4) COLLATE utf8mb4_bin`
}

/**
 * Not by `(a, b) > (x, y)`, for which no range of an index is read. The first column stands alone as well: by that a
 * server finds where the range begins that knows no better.
 */
function compared(left: readonly string[], operator: '>' | '<=', right: readonly string[]): string {
  const strict = operator === '>' ? '>' : '<'
  const ways = left.map((column, place) => {
    const before = left.slice(0, place).map((same, at) => `${same} = ${right[at]}`)
    const isLast = place === left.length - 1
    return [...before, `${column} ${isLast ? operator : strict} ${right[place]}`].join(' AND ')
  })
  if (ways.length === 1) return ways[0] ?? ''
  return `(${left[0]} ${strict}= ${right[0]} AND (${ways.map((way) => `(${way})`).join(' OR ')}))`
}

/** As selects of one row each, which all versions know; the first one tells names and types. */
function tuples(types: readonly string[], rows: readonly Row[], bind: Bind): string {
  if (rows.length === 0)
    return `(SELECT ${types.map((_, column) => `NULL AS v${column + 1}`).join(', ')}, 1 AS i FROM DUAL WHERE 1 = 0) h`
  const selects = rows.map((row, index) => {
    const values = types.map((type, column) => {
      const name = index === 0 ? ` AS v${column + 1}` : ''
      return `${equalTo(bind(row[column] ?? null), type)}${name}`
    })
    return `SELECT ${values.join(', ')}, ${index + 1}${index === 0 ? ' AS i' : ''}`
  })
  return `(${selects.join(' UNION ALL ')}) h`
}

function cursorType(type: string): CursorType | null {
  const { base } = partsOf(type)
  if (base === 'timestamp') return 'instant'
  if (base === 'datetime') return 'local'
  if (base === 'date') return 'date'
  return /^(tinyint|smallint|mediumint|int|bigint|decimal)$/.test(base) ? 'number' : null
}

function less(
  expression: string,
  type: string,
  overlap: Readonly<{ ms: number } | { count: string }>,
): string {
  if ('count' in overlap) {
    const { base } = partsOf(type)
    // As a decimal: below 0 an unsigned number would be an error.
    return base === 'decimal'
      ? `(${expression} - ${overlap.count})`
      : `(CAST(${expression} AS DECIMAL(65,0)) - ${overlap.count})`
  }
  const earlier = `${expression} - INTERVAL ${overlap.ms * 1000} MICROSECOND`
  // Nothing is earlier than a zero date. A day less ten minutes is the day before, of which all must be read.
  return cursorType(type) === 'date'
    ? `COALESCE(DATE(${earlier}), ${expression})`
    : `COALESCE(${earlier}, ${expression})`
}

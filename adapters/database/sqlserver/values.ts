import type { CursorType } from '../transport.ts'

/** What the client library tells of a column. */
export type ColumnMark = Readonly<{
  base: string
  length?: number | undefined
  precision?: number | undefined
  scale?: number | undefined
  udt?: string | undefined
}>

const MAX_LENGTH = 65_535

/** The type as people write it: `decimal(12,2)`, `nvarchar(40)`, `datetime2(7)`, `varbinary(max)`, `hierarchyid`. */
export function typeName({ base, length, precision, scale, udt }: ColumnMark): string {
  if (udt !== undefined) return udt
  switch (base) {
    case 'char':
    case 'varchar':
    case 'binary':
    case 'varbinary':
      return `${base}(${length === MAX_LENGTH ? 'max' : length})`
    case 'nchar':
    case 'nvarchar':
      return `${base}(${length === MAX_LENGTH ? 'max' : (length ?? 0) / 2})`
    case 'decimal':
    case 'numeric':
      return `${base}(${precision},${scale})`
    case 'time':
    case 'datetime2':
    case 'datetimeoffset':
      return `${base}(${scale})`
    case 'variant':
      return 'sql_variant'
    default:
      return base
  }
}

/**
 * A value as text that holds it exactly and reads back as the same value. Two types come as bytes, of which the driver
 * makes text: no style of CONVERT before 2016 writes every digit of a float, its own eight bytes do on any version.
 */
export function asText(expression: string, type: string): string {
  const { base, size } = parts(type)
  switch (base) {
    case 'tinyint':
    case 'smallint':
    case 'int':
    case 'bigint':
    case 'bit':
      return `CAST(${expression} AS varchar(20))`
    case 'decimal':
    case 'numeric':
      return `CAST(${expression} AS varchar(41))`
    case 'money':
    case 'smallmoney':
      return `CONVERT(varchar(30), ${expression}, 2)`
    case 'float':
      return `CAST(${expression} AS binary(8))`
    case 'real':
      return `CAST(${expression} AS binary(4))`
    // An expression of ours may mix the type with a finer one, so each is brought back to its own first.
    case 'date':
      return `CONVERT(varchar(10), CAST(${expression} AS date), 23)`
    case 'time':
    case 'smalldatetime':
    case 'datetime':
    case 'datetime2':
      return `CONVERT(varchar(27), CAST(${expression} AS ${type}), 121)`
    case 'datetimeoffset':
      return `CONVERT(varchar(27), CAST(SWITCHOFFSET(${expression}, '+00:00') AS datetime2(${size})), 126) + 'Z'`
    case 'uniqueidentifier':
      return `CAST(${expression} AS varchar(36))`
    default:
      return looseText(expression, base, size)
  }
}

/** A text as a value of the type. Texts of 4,000 characters and more can be no key and no cursor. */
export function asValue(text: string, type: string): string {
  const { base, size } = parts(type)
  switch (base) {
    case 'date':
    case 'time':
    case 'smalldatetime':
    case 'datetime':
    case 'datetime2':
      return `CONVERT(${type}, ${text}, 121)`
    case 'datetimeoffset':
      return `CONVERT(${type}, ${text}, 127)`
    case 'binary':
    case 'varbinary':
      // As binary(8), or the bytes would be compared as a longer value.
      return `CONVERT(${size === 'max' ? 'varbinary(max)' : type}, ${text}, 1)`
    case 'image':
      return `CONVERT(varbinary(max), ${text}, 1)`
    // Never cut to the column's length, or a longer text would be taken for the value that it begins with.
    case 'char':
    case 'varchar':
      return `CAST(${text} AS varchar(8000))`
    case 'nchar':
    case 'nvarchar':
      return `CAST(${text} AS nvarchar(4000))`
    default:
      return `CAST(${text} AS ${type})`
  }
}

/** What the type means as the first column of a cursor. A rowversion is binary(8), and counts. */
export function cursorType(type: string): CursorType | null {
  const { base } = parts(type)
  if (base === 'datetimeoffset') return 'instant'
  if (base === 'date') return 'date'
  if (/^(datetime|datetime2|smalldatetime)$/.test(base)) return 'local'
  return /^(tinyint|smallint|int|bigint|decimal|numeric)$/.test(base) || type === ROW_VERSION
    ? 'number'
    : null
}

/** How a rowversion column reaches a client. */
const ROW_VERSION = 'binary(8)'

/** What a clock in UTC shows, as a value of a time type. */
export function moment(parameter: number, type: string): string {
  const reading = `CONVERT(datetime2(7), @p${parameter}, 121)`
  return parts(type).base === 'datetimeoffset'
    ? `TODATETIMEOFFSET(${reading}, '+00:00')`
    : `CAST(${reading} AS ${type})`
}

/** A value less a span or a count. */
export function less(
  expression: string,
  type: string,
  overlap: Readonly<{ ms: number } | { count: string }>,
): string {
  if ('ms' in overlap) return earlier(expression, type, overlap.ms)
  const count = `CAST(${overlap.count} AS bigint)`
  if (type !== ROW_VERSION) return `(${expression} - ${count})`
  // Below the first there is no negative one: it would be the highest of all.
  const number = `CAST(${expression} AS bigint)`
  return `CASE WHEN ${number} > ${count} THEN CAST(${number} - ${count} AS binary(8)) ELSE 0x0000000000000000 END`
}

const DAY_MS = 86_400_000

/** In steps that the type can hold, rounded to more: a day less ten minutes is the day before. */
function earlier(expression: string, type: string, ms: number): string {
  const { base, size } = parts(type)
  const by = (unit: string, step: number, of = expression) =>
    `DATEADD(${unit}, -${Math.ceil(ms / step)}, ${of})`
  if (base === 'date') return by('day', DAY_MS)
  // It begins at 1900-01-01, which is also what an empty text becomes: below it only a wider type has values.
  if (base === 'smalldatetime') return by('minute', 60_000, `CAST(${expression} AS datetime)`)
  // A number of DATEADD has 31 bits.
  return ms > 2 ** 31 - 1 || Number(size) < 3 ? by('second', 1000) : by('millisecond', 1)
}

/** Types that can be no key: the old ones cannot be compared at all. */
function looseText(expression: string, base: string, size: string): string {
  switch (base) {
    case 'char':
    case 'varchar': {
      const length = size === 'max' || Number(size) > 4000 ? 'max' : size
      return `CAST(${expression} AS nvarchar(${length}))`
    }
    case 'nchar':
    case 'nvarchar':
      return expression
    case 'text':
      return `CAST(CAST(${expression} AS varchar(max)) AS nvarchar(max))`
    case 'ntext':
    case 'xml':
      return `CAST(${expression} AS nvarchar(max))`
    case 'binary':
    case 'varbinary':
      return `CONVERT(varchar(max), ${expression}, 1)`
    case 'image':
      return `CONVERT(varchar(max), CAST(${expression} AS varbinary(max)), 1)`
    case 'sql_variant':
      return variantText(expression)
    default:
      // hierarchyid, geography, geometry, and types that a database made of a class.
      return `${expression}.ToString()`
  }
}

/** A plain cast would round floats to six digits and money to two, and write times in the session's language. */
function variantText(expression: string): string {
  const inside = (types: readonly string[], text: string) =>
    `WHEN SQL_VARIANT_PROPERTY(${expression}, 'BaseType') IN (${types.map((type) => `'${type}'`).join(', ')}) THEN ${text}`
  const cases = [
    inside(['money', 'smallmoney'], `CONVERT(nvarchar(50), CAST(${expression} AS money), 2)`),
    inside(['float', 'real'], `CONVERT(nvarchar(50), CAST(${expression} AS float), 2)`),
    inside(['binary', 'varbinary'], `CONVERT(nvarchar(max), CAST(${expression} AS varbinary(8000)), 1)`),
    inside(
      ['date', 'time', 'smalldatetime', 'datetime', 'datetime2', 'datetimeoffset'],
      `CONVERT(nvarchar(50), ${expression}, 121)`,
    ),
  ]
  return `CASE ${cases.join(' ')} ELSE CAST(${expression} AS nvarchar(4000)) END`
}

function parts(type: string): Readonly<{ base: string; size: string }> {
  const [, base = type, size = ''] = /^(\w+)\((.*)\)$/.exec(type) ?? []
  return { base, size }
}

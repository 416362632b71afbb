import type { SqlType } from '../values.ts'
import type { Found } from './expressions.ts'
import {
  argumentsOf,
  castParts,
  expression,
  isWord,
  nameAt,
  query,
  refuse,
  storedType,
  typeIn,
  typeOf,
} from './expressions.ts'
import { SqlFailure } from './failure.ts'
import type { Token } from './lexer.ts'

type Arguments = readonly (readonly Token[])[]

/** A call of a function. Throws error 195 for one that is not played. */
export function callFunction(name: string, tokens: readonly Token[], found: Found): string {
  const known = name.toLowerCase()
  if (known === 'cast') return cast(tokens, found)
  const own = OWN[known]
  if (own !== undefined) return own(argumentsOf(tokens), found)
  const same = SAME[known]
  if (same === undefined) throw new SqlFailure(195, `'${name}' is not a recognized built-in function name.`)
  return `${same}(${argumentsOf(tokens)
    .map((part) => query(part, found))
    .join(', ')})`
}

/** Functions that take the same arguments, and what they are called in PostgreSQL; `tds.` ones are made by `prelude.ts`. */
const SAME: Readonly<Record<string, string>> = {
  abs: 'abs',
  coalesce: 'coalesce',
  collationproperty: 'tds.code_page',
  count: 'count',
  count_big: 'count',
  databasepropertyex: 'tds.database_property',
  datalength: 'tds.bytes_long',
  db_id: 'tds.db_id',
  db_name: 'tds.db_name',
  change_tracking_current_version: 'tds.tracking_version',
  change_tracking_min_valid_version: 'tds.tracking_oldest',
  getdate: 'tds.local_clock',
  getutcdate: 'tds.local_clock',
  hashbytes: 'tds.hash',
  has_perms_by_name: 'tds.has_permission',
  isnull: 'coalesce',
  max: 'max',
  min: 'min',
  min_active_rowversion: 'tds.min_active_rowversion',
  object_id: 'tds.object_id',
  replace: 'tds.replaced',
  replicate: 'repeat',
  right: 'right',
  row_number: 'row_number',
  schema_id: 'tds.schema_id',
  serverproperty: 'tds.no_property',
  substring: 'substring',
  sum: 'sum',
  sysdatetime: 'tds.local_clock',
  sysdatetimeoffset: 'clock_timestamp',
  sysutcdatetime: 'tds.local_clock',
}

const OWN: Readonly<Record<string, (of: Arguments, found: Found) => string>> = {
  convert([type = [], value = [], style = []], found) {
    return converted(typeIn(type), value, Number(style[0]?.value ?? '0'), found)
  },
  dateadd([unit = [], count = [], value = []], found) {
    const name = UNITS[unit[0]?.value.toLowerCase() ?? '']
    if (name === undefined) refuse(unit[0])
    return `tds.date_add(${expression(value, found)}, (${expression(count, found)}) * interval '1 ${name}')`
  },
  // The server stands in UTC.
  datepart([unit = []]) {
    if (!isWord(unit[0], 'tzoffset')) refuse(unit[0])
    return '0'
  },
  switchoffset([value = []], found) {
    return expression(value, found)
  },
  todatetimeoffset([value = []], found) {
    return `(${expression(value, found)} AT TIME ZONE 'UTC')`
  },
  changetable([of = [], after = []], found) {
    if (!isWord(of[0], 'changes')) refuse(of[0])
    const { parts } = nameAt(of, 1)
    return `tds."changes:${parts.join('.')}"(${expression(after, found)})`
  },
}

const UNITS: Readonly<Record<string, string>> = {
  day: 'day',
  hour: 'hour',
  minute: 'minute',
  second: 'second',
  millisecond: 'millisecond',
}

function cast(tokens: readonly Token[], found: Found): string {
  const { of, type } = castParts(tokens)
  const [only] = of
  if (type.base === 'varbinary' && only?.kind === 'parameter' && of.length === 1) {
    found.asBytes.add(Number(only.value.slice(2)))
    return expression(of, found)
  }
  return once(of, castTo(type, expression(of, found)))
}

/** What depends on a parameter alone is computed once, and not for each row. */
function once(of: readonly Token[], text: string): string {
  return of.length === 1 && of[0]?.kind === 'parameter' ? `(SELECT ${text})` : text
}

function castTo(type: SqlType, value: string): string {
  const { base } = type
  if (/char|text|xml/.test(base)) return `tds.text_of(${value})::bpchar`
  if (/int$/.test(base)) return `tds.integer_of(${value})::${storedType(type)}`
  if (base === 'bit') return `tds.bit_of(${value})`
  if (base === 'binary' || base === 'varbinary') return `tds.bytes_of(${value})`
  if (base === 'datetime') return `tds.datetime_of((${value})::timestamp)`
  if (base === 'smalldatetime') return `date_trunc('minute', (${value})::timestamp + interval '30 seconds')`
  return `(${value})::${storedType(type)}`
}

function converted(type: SqlType, of: readonly Token[], style: number, found: Found): string {
  const value = expression(of, found)
  const { base, length } = type
  if (base === 'binary' || base === 'varbinary') {
    if (style !== 1) refuse(of[0])
    return once(of, `tds.bytes_of_hex(${value})`)
  }
  if (!/char/.test(base)) return once(of, castTo(type, value))
  const text = written(value, style, typeOf(of), of)
  return typeof length === 'number' && length < 20 ? `left(${text}, ${length})` : text
}

/** What CONVERT writes in a style. The type must show, since times are stored alike. */
function written(value: string, style: number, from: SqlType | null, of: readonly Token[]): string {
  if (style === 1) return `'0x' || upper(encode(${value}, 'hex'))`
  if (style === 2) return `tds.text_of(${value})`
  if (style === 108) return `to_char(${value}, 'HH24:MI:SS')`
  if (style === 23) return `to_char(${value}, 'YYYY-MM-DD')`
  if (from === null || (style !== 121 && style !== 126)) return refuse(of[0])
  const { base, scale = 7 } = from
  if (base === 'datetime' || base === 'smalldatetime') return `to_char(${value}, 'YYYY-MM-DD HH24:MI:SS.MS')`
  const digits = scale === 0 ? '' : ` || '.' || left(to_char(${value}, 'US') || '0', ${scale})`
  if (base === 'time') return `to_char((${value})::interval, 'HH24:MI:SS')${digits}`
  if (base === 'datetimeoffset') return `to_char(${value}, 'YYYY-MM-DD HH24:MI:SS')${digits} || ' +00:00'`
  if (base !== 'datetime2') return refuse(of[0])
  if (style === 121) return `to_char(${value}, 'YYYY-MM-DD HH24:MI:SS')${digits}`
  const fraction =
    scale === 0 ? "''" : `CASE WHEN to_char(${value}, 'US') = '000000' THEN '' ELSE ''${digits} END`
  return `to_char(${value}, 'YYYY-MM-DD"T"HH24:MI:SS') || ${fraction}`
}

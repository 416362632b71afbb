import { collationBytes, encodeText } from './collations.ts'

/** A type of SQL Server, as it stands in a declaration. */
export type SqlType = Readonly<{
  base: string
  /** Characters, or bytes of a binary one. */
  length?: number | 'max'
  precision?: number
  scale?: number
  /** Of texts that are not Unicode. */
  collation?: string
}>

const DEFAULT_LENGTH = 1
const DEFAULT_SCALE = 7

/** Reads `decimal(12, 2)`, `nvarchar(max)`, `datetime2`; null where that is no type we know. */
export function parseType(text: string, collation?: string): SqlType | null {
  const [, written = '', arguments_ = ''] = /^\s*\[?(\w+)\]?\s*(?:\(\s*([\w\s,]+)\s*\))?\s*$/.exec(text) ?? []
  const base = SYNONYMS[written.toLowerCase()] ?? written.toLowerCase()
  const [first = '', second = ''] = arguments_.split(',').map((part) => part.trim().toLowerCase())
  if (!KNOWN.has(base)) return null
  switch (base) {
    case 'decimal':
    case 'numeric':
      return { base, precision: Number(first || 18), scale: Number(second || 0) }
    case 'float':
      return Number(first || 53) > 24 ? { base } : { base: 'real' }
    case 'time':
    case 'datetime2':
    case 'datetimeoffset':
      return { base, scale: Number(first || DEFAULT_SCALE) }
    case 'binary':
    case 'varbinary':
    case 'nchar':
    case 'nvarchar':
      return { base, length: lengthOf(first) }
    case 'char':
    case 'varchar':
      return { base, length: lengthOf(first), ...(collation === undefined ? {} : { collation }) }
    case 'text':
      return { base, ...(collation === undefined ? {} : { collation }) }
    default:
      return { base }
  }
}

/** The type as `parseType` reads it. */
export function typeText({ base, length, precision, scale }: SqlType): string {
  if (length !== undefined) return `${base}(${length})`
  if (precision !== undefined) return `${base}(${precision},${scale})`
  return scale === undefined ? base : `${base}(${scale})`
}

const SYNONYMS: Readonly<Record<string, string>> = {
  integer: 'int',
  dec: 'decimal',
  timestamp: 'rowversion',
  sysname: 'nvarchar',
}

const KNOWN = new Set(
  `tinyint smallint int bigint bit decimal numeric money smallmoney float real date time datetime smalldatetime
   datetime2 datetimeoffset char varchar nchar nvarchar text ntext binary varbinary image rowversion uniqueidentifier
   xml sql_variant hierarchyid`.split(/\s+/),
)

function lengthOf(written: string): number | 'max' {
  return written === 'max' ? 'max' : Number(written || DEFAULT_LENGTH)
}

/** What TDS calls the types: as they stand in tables that allow null, and in those that do not. */
const TOKENS: Readonly<Record<string, Readonly<{ nullable: number; fixed?: number; bytes?: number }>>> = {
  tinyint: { nullable: 0x26, fixed: 0x30, bytes: 1 },
  smallint: { nullable: 0x26, fixed: 0x34, bytes: 2 },
  int: { nullable: 0x26, fixed: 0x38, bytes: 4 },
  bigint: { nullable: 0x26, fixed: 0x7f, bytes: 8 },
  bit: { nullable: 0x68, fixed: 0x32, bytes: 1 },
  real: { nullable: 0x6d, fixed: 0x3b, bytes: 4 },
  float: { nullable: 0x6d, fixed: 0x3e, bytes: 8 },
  smallmoney: { nullable: 0x6e, fixed: 0x7a, bytes: 4 },
  money: { nullable: 0x6e, fixed: 0x3c, bytes: 8 },
  smalldatetime: { nullable: 0x6f, fixed: 0x3a, bytes: 4 },
  datetime: { nullable: 0x6f, fixed: 0x3d, bytes: 8 },
  uniqueidentifier: { nullable: 0x24, bytes: 16 },
  decimal: { nullable: 0x6a },
  numeric: { nullable: 0x6c },
  date: { nullable: 0x28 },
  time: { nullable: 0x29 },
  datetime2: { nullable: 0x2a },
  datetimeoffset: { nullable: 0x2b },
  char: { nullable: 0xaf },
  varchar: { nullable: 0xa7 },
  nchar: { nullable: 0xef },
  nvarchar: { nullable: 0xe7 },
  binary: { nullable: 0xad },
  rowversion: { nullable: 0xad },
  varbinary: { nullable: 0xa5 },
  text: { nullable: 0x23 },
  ntext: { nullable: 0x63 },
  image: { nullable: 0x22 },
  xml: { nullable: 0xf1 },
  sql_variant: { nullable: 0x62 },
  hierarchyid: { nullable: 0xf0 },
}

const LONG_BYTES = 0x7fff_ffff
const MAX_LENGTH = 0xffff

/** TYPE_INFO of a type (MS-TDS 2.2.5.4). */
export function typeInfo(type: SqlType, isNullable: boolean): Buffer {
  const token = tokenOf(type)
  if (!isNullable && token.fixed !== undefined) return Buffer.from([token.fixed])
  const own = [token.nullable]
  switch (type.base) {
    case 'decimal':
    case 'numeric':
      return Buffer.from([...own, decimalBytes(type), type.precision ?? 18, type.scale ?? 0])
    case 'date':
      return Buffer.from(own)
    case 'time':
    case 'datetime2':
    case 'datetimeoffset':
      return Buffer.from([...own, type.scale ?? DEFAULT_SCALE])
    case 'char':
    case 'varchar':
    case 'nchar':
    case 'nvarchar':
      return Buffer.concat([Buffer.from(own), uint16(bytesOf(type)), collationBytes(type.collation)])
    case 'binary':
    case 'varbinary':
    case 'rowversion':
      return Buffer.concat([Buffer.from(own), uint16(bytesOf(type))])
    case 'text':
    case 'ntext':
      // With the name of the table that it comes from, here none.
      return Buffer.concat([
        Buffer.from(own),
        uint32(LONG_BYTES),
        collationBytes(type.collation),
        Buffer.from([1, 0, 0]),
      ])
    case 'image':
      return Buffer.concat([Buffer.from(own), uint32(LONG_BYTES), Buffer.from([1, 0, 0])])
    case 'xml':
      return Buffer.from([...own, 0])
    case 'sql_variant':
      return Buffer.concat([Buffer.from(own), uint32(8009)])
    case 'hierarchyid':
      return Buffer.concat([
        Buffer.from(own),
        uint16(892),
        ...['master', 'sys', 'hierarchyid'].map(shortText),
        longText('Microsoft.SqlServer.Types.SqlHierarchyId'),
      ])
    default:
      return Buffer.from([...own, token.bytes ?? 0])
  }
}

/** A value as it stands in a row. Texts are as PostgreSQL writes them, binary ones `\x00ff`. */
export function encodeValue(type: SqlType, isNullable: boolean, text: string | null): Buffer {
  const { base } = type
  if (base === 'xml' || base === 'hierarchyid' || type.length === 'max')
    return chunked(bytesOfValue(type, text))
  if (base === 'text' || base === 'ntext' || base === 'image') return withPointer(bytesOfValue(type, text))
  const bytes = bytesOfValue(type, text)
  if (/char|binary|rowversion/.test(base))
    return bytes === null ? uint16(MAX_LENGTH) : Buffer.concat([uint16(bytes.length), bytes])
  if (bytes === null) return base === 'sql_variant' ? uint32(0) : Buffer.from([0])
  if (!isNullable && tokenOf(type).fixed !== undefined) return bytes
  return Buffer.concat([base === 'sql_variant' ? uint32(bytes.length) : Buffer.from([bytes.length]), bytes])
}

function bytesOfValue(type: SqlType, text: string | null): Buffer | null {
  if (text === null) return null
  const { base, scale = DEFAULT_SCALE } = type
  switch (base) {
    case 'tinyint':
    case 'smallint':
    case 'int':
    case 'bigint':
    case 'bit':
      return integer(BigInt(text), tokenOf(type).bytes ?? 4)
    case 'decimal':
    case 'numeric':
      return decimal(text, type)
    case 'smallmoney':
      return integer(scaled(text, 4), 4)
    case 'money':
      return money(scaled(text, 4))
    case 'float':
    case 'real':
      return float(Number(text), base)
    case 'date':
      return days(text)
    case 'time':
      return ticks(text, scale)
    case 'datetime2':
      return Buffer.concat([ticks(text.slice(11), scale), days(text)])
    case 'datetimeoffset':
      return instant(text, scale)
    case 'datetime':
    case 'smalldatetime':
      return oldTime(text, base)
    case 'char':
    case 'varchar':
    case 'text':
      return encodeText(padded(text, type), type.collation)
    case 'nchar':
    case 'nvarchar':
    case 'ntext':
    case 'xml':
      return Buffer.from(padded(text, type), 'utf16le')
    case 'uniqueidentifier':
      return guid(text)
    case 'sql_variant':
      return variant(text)
    default:
      return Buffer.from(text.replace(/^\\x/, ''), 'hex')
  }
}

function tokenOf(type: SqlType) {
  const token = TOKENS[type.base]
  if (token === undefined) throw new Error(`There is no token for the type ${type.base}.`)
  return token
}

function bytesOf({ base, length = DEFAULT_LENGTH }: SqlType): number {
  if (base === 'rowversion') return 8
  if (length === 'max') return MAX_LENGTH
  return base.startsWith('n') ? length * 2 : length
}

/** Fixed lengths are filled up. */
function padded(text: string, { base, length }: SqlType): string {
  return (base === 'char' || base === 'nchar') && typeof length === 'number' ? text.padEnd(length) : text
}

function integer(value: bigint, bytes: number): Buffer {
  const buffer = Buffer.alloc(8)
  buffer.writeBigInt64LE(value)
  return buffer.subarray(0, bytes)
}

function scaled(text: string, scale: number): bigint {
  const [whole = '0', fraction = ''] = text.replace('-', '').split('.')
  const value = BigInt(whole + fraction.padEnd(scale, '0').slice(0, scale))
  return text.startsWith('-') ? -value : value
}

function decimalBytes({ precision = 18 }: SqlType): number {
  if (precision <= 9) return 5
  if (precision <= 19) return 9
  return precision <= 28 ? 13 : 17
}

function decimal(text: string, type: SqlType): Buffer {
  const value = scaled(text, type.scale ?? 0)
  const buffer = Buffer.alloc(decimalBytes(type))
  buffer[0] = value < 0n ? 0 : 1
  for (let rest = value < 0n ? -value : value, at = 1; rest > 0n; rest >>= 8n, at += 1)
    buffer[at] = Number(rest & 0xffn)
  return buffer
}

/** The higher half comes first. */
function money(value: bigint): Buffer {
  const whole = integer(value, 8)
  return Buffer.concat([whole.subarray(4), whole.subarray(0, 4)])
}

function float(value: number, base: string): Buffer {
  const buffer = Buffer.alloc(base === 'float' ? 8 : 4)
  if (base === 'float') buffer.writeDoubleLE(value)
  else buffer.writeFloatLE(value)
  return buffer
}

const DAY_MS = 86_400_000

function dayNumber(text: string): number {
  const [year = 1, month = 1, day = 1] = text.slice(0, 10).split('-').map(Number)
  const date = new Date(0)
  date.setUTCFullYear(year, month - 1, day)
  return Math.round(date.getTime() / DAY_MS)
}

const DAY_OF_YEAR_1 = dayNumber('0001-01-01')
const DAY_OF_1900 = dayNumber('1900-01-01')

function days(text: string): Buffer {
  return integer(BigInt(dayNumber(text) - DAY_OF_YEAR_1), 3)
}

function ticks(text: string, scale: number): Buffer {
  const [, hours = '0', minutes = '0', seconds = '0', fraction = ''] =
    /^(\d\d):(\d\d):(\d\d)(?:\.(\d+))?/.exec(text) ?? []
  const whole = (Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)
  const value = BigInt(`${whole}${fraction.padEnd(scale, '0').slice(0, scale)}`)
  if (scale <= 2) return integer(value, 3)
  return integer(value, scale <= 4 ? 4 : 5)
}

/** As PostgreSQL writes it in UTC; the offset is told apart. */
function instant(text: string, scale: number): Buffer {
  const [, minutes = '0'] = /@(-?\d+)$/.exec(text) ?? []
  return Buffer.concat([ticks(text.slice(11), scale), days(text), integer(BigInt(minutes), 2)])
}

function oldTime(text: string, base: string): Buffer {
  const day = dayNumber(text) - DAY_OF_1900
  const [, hours = '0', minutes = '0', seconds = '0'] = /(\d\d):(\d\d):(\d\d(?:\.\d+)?)/.exec(text) ?? []
  const minute = Number(hours) * 60 + Number(minutes)
  if (base === 'smalldatetime') return Buffer.concat([uint16(day), uint16(minute)])
  return Buffer.concat([
    integer(BigInt(day), 4),
    integer(BigInt(Math.round((minute * 60 + Number(seconds)) * 300)), 4),
  ])
}

function guid(text: string): Buffer {
  const bytes = Buffer.from(text.replaceAll('-', ''), 'hex')
  return Buffer.concat([
    bytes.subarray(0, 4).reverse(),
    bytes.subarray(4, 6).reverse(),
    bytes.subarray(6, 8).reverse(),
    bytes.subarray(8),
  ])
}

/** As nvarchar: type, number of properties, longest length, collation, value. */
function variant(text: string): Buffer {
  const value = Buffer.from(text, 'utf16le')
  return Buffer.concat([Buffer.from([0xe7, 7]), uint16(8000), collationBytes(undefined), value])
}

function chunked(bytes: Buffer | null): Buffer {
  const length = Buffer.alloc(8, 0xff)
  if (bytes === null) return length
  length.writeBigUInt64LE(BigInt(bytes.length))
  const chunk = bytes.length === 0 ? [] : [uint32(bytes.length), bytes]
  return Buffer.concat([length, ...chunk, uint32(0)])
}

function withPointer(bytes: Buffer | null): Buffer {
  if (bytes === null) return Buffer.from([0])
  return Buffer.concat([Buffer.from([16]), Buffer.alloc(16 + 8, 1), uint32(bytes.length), bytes])
}

export function uint16(value: number): Buffer {
  const buffer = Buffer.alloc(2)
  buffer.writeUInt16LE(value)
  return buffer
}

export function uint32(value: number): Buffer {
  const buffer = Buffer.alloc(4)
  buffer.writeUInt32LE(value)
  return buffer
}

/** B_VARCHAR. */
export function shortText(text: string): Buffer {
  return Buffer.concat([Buffer.from([text.length]), Buffer.from(text, 'utf16le')])
}

/** US_VARCHAR. */
export function longText(text: string): Buffer {
  return Buffer.concat([uint16(text.length), Buffer.from(text, 'utf16le')])
}

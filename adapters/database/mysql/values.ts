/** What the protocol tells of a column. */
export type ColumnMark = Readonly<{
  code: number
  /** In bytes for texts, digits and signs for numbers. */
  length: number
  decimals: number
  flags: number
  collation: number
}>

/** A collation of the server. `bytesMax`: what one of its characters takes at most. */
export type Collation = Readonly<{ name: string; bytesMax: number }>

/** Type of a column as people write it: `decimal(12,2)`, `bigint unsigned`, `varchar(40) collate gbk_chinese_ci`. */
export function typeName(mark: ColumnMark, collations: ReadonlyMap<number, Collation>): string {
  const base = baseName(mark, collations)
  const unsigned = NUMBERS.has(mark.code) && (mark.flags & UNSIGNED) !== 0 ? ' unsigned' : ''
  const zerofill = NUMBERS.has(mark.code) && (mark.flags & ZEROFILL) !== 0 ? ' zerofill' : ''
  // The order of texts, and which of them are equal, is the collation's.
  const collation = TEXTS.has(mark.code) && mark.collation !== BINARY ? collations.get(mark.collation) : null
  return `${base}${unsigned}${zerofill}${collation ? ` collate ${collation.name}` : ''}`
}

/** What a type's name says. `size`: what stands in its parentheses. */
export type Parts = Readonly<{ base: string; size: string; isUnsigned: boolean; collation: string | null }>

export function partsOf(type: string): Parts {
  const [, base = type, size = ''] = /^([a-z]+)(?:\(([\d,]+)\))?/.exec(type) ?? []
  const [, collation = null] = / collate (\w+)$/.exec(type) ?? []
  return { base, size, isUnsigned: / unsigned\b/.test(type), collation }
}

const ENUM = 256
const SET = 2048
const UNSIGNED = 32
const ZEROFILL = 64
/** The collation of what is no text. */
const BINARY = 63
/** Decimals of a float that was declared without. */
const NOT_FIXED = 31

const DECIMAL = 246
const TEXTS: ReadonlySet<number> = new Set([252, 253, 254])
const NUMBERS: ReadonlySet<number> = new Set([0, 1, 2, 3, 4, 5, 8, 9, DECIMAL])

const NAMES: ReadonlyMap<number, string> = new Map([
  [1, 'tinyint'],
  [2, 'smallint'],
  [3, 'int'],
  [4, 'float'],
  [5, 'double'],
  [6, 'null'],
  [7, 'timestamp'],
  [8, 'bigint'],
  [9, 'mediumint'],
  [10, 'date'],
  [11, 'time'],
  [12, 'datetime'],
  [13, 'year'],
  [16, 'bit'],
  [245, 'json'],
  [247, 'enum'],
  [248, 'set'],
  [255, 'geometry'],
])

function baseName(mark: ColumnMark, collations: ReadonlyMap<number, Collation>): string {
  const { code, length, decimals, flags } = mark
  if (TEXTS.has(code)) return textName(mark, collations)
  // The length of a decimal counts its sign and its point.
  if (code === DECIMAL) {
    const sign = (flags & UNSIGNED) === 0 ? 1 : 0
    return `decimal(${length - sign - (decimals > 0 ? 1 : 0)},${decimals})`
  }
  const name = NAMES.get(code) ?? `type ${code}`
  if (name === 'bit') return `bit(${length})`
  const isTime = name === 'timestamp' || name === 'datetime' || name === 'time'
  return isTime && decimals > 0 && decimals < NOT_FIXED ? `${name}(${decimals})` : name
}

function textName(
  { code, length, flags, collation }: ColumnMark,
  collations: ReadonlyMap<number, Collation>,
): string {
  if ((flags & ENUM) !== 0) return 'enum'
  if ((flags & SET) !== 0) return 'set'
  const isBinary = collation === BINARY
  if (code === 252) return `${largeness(length)}${isBinary ? 'blob' : 'text'}`
  const characters = Math.floor(length / (isBinary ? 1 : (collations.get(collation)?.bytesMax ?? 1)))
  const names = isBinary ? ['varbinary', 'binary'] : ['varchar', 'char']
  return `${code === 253 ? names[0] : names[1]}(${characters})`
}

/** Some servers tell the length of large texts in characters of up to four bytes. */
function largeness(length: number): string {
  if (length <= 4 * 0xff) return 'tiny'
  if (length <= 4 * 0xffff) return ''
  return length <= 4 * 0xffffff ? 'medium' : 'long'
}

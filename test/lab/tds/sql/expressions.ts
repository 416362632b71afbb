import type { SqlType } from '../values.ts'
import { parseType, typeText } from '../values.ts'
import { SqlFailure } from './failure.ts'
import { callFunction } from './functions.ts'
import type { Token } from './lexer.ts'

/** What translating a statement finds out besides its text. */
export type Found = Readonly<{
  /** Parameters whose bytes are wanted, and not their text. */
  asBytes: Set<number>
}>

/** A query, or what stands in parentheses: `TOP (n)` becomes a limit at its end. */
export function query(tokens: readonly Token[], found: Found): string {
  if (!isWord(tokens[0], 'select')) return expression(tokens, found)
  const union = topLevel(tokens, (token) => isWord(token, 'union', 'except', 'intersect'))
  const top = isWord(tokens[1], 'distinct') ? 2 : 1
  if (!isWord(tokens[top], 'top')) return expression(tokens, found)
  if (union !== -1 || !isSign(tokens[top + 1], '(')) refuse(tokens[top])
  const end = closing(tokens, top + 1)
  const limit = expression(tokens.slice(top + 2, end), found)
  return `${expression([...tokens.slice(0, top), ...tokens.slice(end + 1)], found)} LIMIT ${limit}`
}

/** Anything that is not a statement of its own, word by word. */
export function expression(tokens: readonly Token[], found: Found): string {
  const out: string[] = []
  for (let at = 0; at < tokens.length; at += 1) {
    const token = tokens[at]
    if (token === undefined) break
    const next = tokens[at + 1]
    if (isSign(token, '(')) {
      const end = closing(tokens, at)
      out.push(`(${query(tokens.slice(at + 1, end), found)})`)
      at = end
    } else if (isWord(token, 'collate')) {
      // Everything here is compared byte by byte.
      at += 1
    } else if (isSign(token, '.') && isWord(next, 'ToString')) {
      // Played types that have this method are texts already, but no longer the column itself.
      out.push("|| ''")
      at += 3
    } else if (
      token.kind === 'word' &&
      isSign(next, '(') &&
      !KEYWORDS_BEFORE_PARENTHESIS.has(token.value.toLowerCase()) &&
      !isAlias(tokens, at)
    ) {
      const end = closing(tokens, at + 1)
      out.push(callFunction(token.value, tokens.slice(at + 2, end), found))
      at = end
    } else if (isWord(token, 'next') && isWord(next, 'value')) {
      const name = nameAt(tokens, at + 3)
      out.push(`nextval('${name.text}')`)
      at = name.end - 1
    } else if (isSign(token, '+') && (isTextual(tokens[at - 1]) || isTextual(next))) out.push('||')
    else out.push(plain(token, found))
  }
  return out.join(' ').replace(/ \. /g, '.')
}

const KEYWORDS_BEFORE_PARENTHESIS = new Set(
  'in exists values and or not over on from join as then else when where by select union all any key into'.split(
    ' ',
  ),
)

/** `AS t (a, b)` and `INTO t (a, b)` name columns. */
function isAlias(tokens: readonly Token[], at: number): boolean {
  return isWord(tokens[at - 1], 'as', 'into') || isSign(tokens[at - 1], '.') || isSign(tokens[at - 1], ')')
}

function isTextual(token: Token | undefined): boolean {
  return token?.kind === 'text'
}

/** A word that means the same in both. */
function plain(token: Token, found: Found): string {
  const { kind, value } = token
  switch (kind) {
    case 'name':
      return `"${value.replaceAll('"', '""')}"`
    case 'text':
      return `'${value.replaceAll("'", "''")}'`
    case 'bytes':
      return `'\\x${value}'::bytea`
    case 'parameter':
      return variable(value, found)
    default:
      return value
  }
}

const VARIABLES: Readonly<Record<string, string>> = {
  '@@servername': "'TDS-LAB'::text",
  '@@dbts': 'tds.dbts()',
  '@@spid': '51',
}

function variable(name: string, found: Found): string {
  const known = VARIABLES[name.toLowerCase()]
  if (known !== undefined) return known
  const number = Number(/^@p(\d+)$/i.exec(name)?.[1])
  if (Number.isNaN(number)) throw new SqlFailure(137, `Must declare the scalar variable "${name}".`)
  return found.asBytes.has(number) ? `$${number}::bytea` : `$${number}::text`
}

/** The type of an expression, where its outermost word tells it. */
export function typeOf(tokens: readonly Token[]): SqlType | null {
  const [first, ...rest] = tokens
  const arguments_ = argumentsOf(rest.slice(1, -1))
  if (isWord(first, 'cast')) return castParts(rest.slice(1, -1)).type
  if (isWord(first, 'convert')) return typeIn(arguments_[0] ?? [])
  if (isWord(first, 'dateadd')) return typeOf(arguments_[2] ?? [])
  if (isWord(first, 'sysdatetimeoffset')) return parseType('datetimeoffset')
  return isWord(first, 'sysdatetime', 'sysutcdatetime') ? parseType('datetime2') : null
}

/** `expression AS type`. */
export function castParts(tokens: readonly Token[]): Readonly<{ of: readonly Token[]; type: SqlType }> {
  const at = topLevel(tokens, (token) => isWord(token, 'as'))
  if (at === -1) refuse(tokens[0])
  return { of: tokens.slice(0, at), type: typeIn(tokens.slice(at + 1)) }
}

export function typeIn(tokens: readonly Token[]): SqlType {
  const written = tokens.map(({ value }) => value).join('')
  const type = parseType(written)
  if (type === null) throw new SqlFailure(243, `Type ${written} is not a defined system type.`)
  return type
}

/** Parts between commas. */
export function argumentsOf(tokens: readonly Token[]): readonly (readonly Token[])[] {
  if (tokens.length === 0) return []
  const parts: Token[][] = [[]]
  let depth = 0
  for (const token of tokens) {
    if (isSign(token, '(')) depth += 1
    if (isSign(token, ')')) depth -= 1
    if (depth === 0 && isSign(token, ',')) parts.push([])
    else parts.at(-1)?.push(token)
  }
  return parts
}

/** The place of the first word outside parentheses for which this is true, or -1. */
export function topLevel(tokens: readonly Token[], is: (token: Token) => boolean): number {
  let depth = 0
  for (const [at, token] of tokens.entries()) {
    if (isSign(token, '(')) depth += 1
    if (isSign(token, ')')) depth -= 1
    if (depth === 0 && is(token)) return at
  }
  return -1
}

/** The place of the parenthesis that closes the one here. */
export function closing(tokens: readonly Token[], at: number): number {
  let depth = 0
  for (let place = at; place < tokens.length; place += 1) {
    if (isSign(tokens[place], '(')) depth += 1
    if (isSign(tokens[place], ')')) depth -= 1
    if (depth === 0) return place
  }
  throw new SqlFailure(102, "Incorrect syntax near '('.")
}

/** A name of several parts as PostgreSQL writes it, and where it ends. */
export function nameAt(
  tokens: readonly Token[],
  at: number,
): Readonly<{ text: string; parts: readonly string[]; end: number }> {
  const parts: string[] = []
  let end = at
  for (; ; end += 2) {
    const token = tokens[end]
    if (token?.kind !== 'word' && token?.kind !== 'name') refuse(token)
    else parts.push(token.value)
    if (!isSign(tokens[end + 1], '.')) break
  }
  const text = parts.map((part) => `"${part.replaceAll('"', '""')}"`).join('.')
  return { text, parts, end: end + 1 }
}

export function isWord(token: Token | undefined, ...words: readonly string[]): boolean {
  return token?.kind === 'word' && words.some((word) => word.toLowerCase() === token.value.toLowerCase())
}

export function isSign(token: Token | undefined, sign: string): boolean {
  return token?.kind === 'sign' && token.value === sign
}

export function refuse(token: Token | undefined): never {
  throw new SqlFailure(102, `Incorrect syntax near '${token?.value ?? 'the end'}'.`)
}

/** How PostgreSQL stores a type. */
export function storedType(type: SqlType): string {
  const stored = STORED[type.base]
  if (stored !== undefined) return stored
  const { base, length, precision, scale = 0 } = type
  if (base === 'decimal' || base === 'numeric') return `numeric(${precision},${scale})`
  if (base === 'time') return `time(${Math.min(scale, 6)})`
  if (base === 'datetime2') return `timestamp(${Math.min(scale, 6)})`
  if (base === 'datetimeoffset') return `timestamptz(${Math.min(scale, 6)})`
  if (length === 'max') return /binary/.test(base) ? 'bytea' : 'text COLLATE "C"'
  if (base === 'char' || base === 'nchar') return `character(${length}) COLLATE "C"`
  if (base === 'varchar' || base === 'nvarchar') return `varchar(${length}) COLLATE "C"`
  if (base === 'binary' || base === 'varbinary') return 'bytea'
  throw new SqlFailure(102, `Incorrect syntax near '${typeText(type)}'.`)
}

const STORED: Readonly<Record<string, string>> = {
  tinyint: 'smallint',
  smallint: 'smallint',
  int: 'integer',
  bigint: 'bigint',
  bit: 'smallint',
  money: 'numeric(19,4)',
  smallmoney: 'numeric(10,4)',
  float: 'double precision',
  real: 'real',
  date: 'date',
  datetime: 'timestamp(3)',
  smalldatetime: 'timestamp(0)',
  text: 'text COLLATE "C"',
  ntext: 'text COLLATE "C"',
  image: 'bytea',
  rowversion: 'bytea',
  uniqueidentifier: 'uuid',
  xml: 'text',
  sql_variant: 'text',
  hierarchyid: 'text',
}

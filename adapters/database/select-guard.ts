import { createHash } from 'node:crypto'
import { AdapterError } from '../errors.ts'
import { SELECT_FUNCTIONS } from './select-functions.ts'
import type { SqlEngine, SqlToken } from './sql-tokens.ts'
import { SqlUnreadable, sqlTokens } from './sql-tokens.ts'
import { isReserved, isStructure, REFUSED_WORDS, TABLE_HINTS } from './sql-words.ts'

/** Why a select is refused, and where: `at` counts UTF-16 units from its beginning. */
export type SelectFault = Readonly<{ message: string; at: number }>

/** What a person who has read the select puts beside it, as `reviewed`. */
export function reviewHash(select: string): string {
  return createHash('sha256').update(select).digest('hex')
}

/**
 * Why a configured select may not be sent to a server; nothing where it may. It must be one SELECT that writes nothing,
 * locks nothing and calls only functions that are known to be harmless, by the tokens that the engine itself reads.
 * One that is `reviewed` passes whole, as long as it is the text that was reviewed.
 */
export function selectFaults(
  select: string,
  engine: SqlEngine,
  reviewed: string | undefined,
): readonly SelectFault[] {
  const hash = reviewHash(select)
  if (reviewed === hash) return []
  const [first, ...more] = unreviewedFaults(select, engine)
  if (first !== undefined) {
    const stale = reviewed === undefined ? 'Or let' : 'It is not the text that was reviewed: let'
    const way = `${stale} a person review the select, and put \`reviewed: ${hash}\` beside it`
    return [{ ...first, message: `${first.message}. ${way}` }, ...more]
  }
  if (reviewed === undefined) return []
  return [
    { message: `is not the text that was reviewed; read it again, then put \`reviewed: ${hash}\``, at: 0 },
  ]
}

/** The same, directly before a statement is written: whatever way a select came in, nothing else reaches the server. */
export function assertSelect(
  feed: string,
  select: string,
  engine: SqlEngine,
  reviewed: string | undefined,
): void {
  const [fault] = selectFaults(select, engine, reviewed)
  if (fault === undefined) return
  const before = select.slice(0, fault.at).split('\n')
  const place = `line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1}`
  throw new AdapterError(
    'ADAPTER_CONFIG_INVALID',
    `The select of feed ${feed} was not sent: ${place} ${fault.message}.`,
  )
}

function unreviewedFaults(select: string, engine: SqlEngine): readonly SelectFault[] {
  try {
    return guard(sqlTokens(select, engine), engine)
  } catch (error) {
    if (error instanceof SqlUnreadable) return [{ message: error.message, at: error.at }]
    throw error
  }
}

/** The tokens with what the rules ask of them. */
type Reading = Readonly<{
  engine: SqlEngine
  tokens: readonly SqlToken[]
  /** Places where a SELECT may begin. */
  starts: ReadonlySet<number>
  /** Places of words that a list of columns or a query follows, and no arguments. */
  listed: ReadonlySet<number>
  fault(place: number, message: string): void
}>

function guard(tokens: readonly SqlToken[], engine: SqlEngine): readonly SelectFault[] {
  const faults = new Map<number, SelectFault>()
  const fault = (place: number, message: string) => {
    const at = tokens[place]?.at ?? 0
    if (!faults.has(at)) faults.set(at, { message, at })
  }
  const closers = pairs(tokens, fault)
  const structure = structureOf(tokens, closers, fault)
  const reading = { engine, tokens, ...structure, fault }
  for (const place of tokens.keys()) {
    checkSymbol(reading, place)
    checkWord(reading, place)
    checkCall(reading, place)
  }
  return [...faults.values()].sort((left, right) => left.at - right.at)
}

/** The closing parenthesis of each opening one. */
function pairs(tokens: readonly SqlToken[], fault: Reading['fault']): ReadonlyMap<number, number> {
  const closers = new Map<number, number>()
  const open: number[] = []
  for (const [place, { kind, value }] of tokens.entries()) {
    if (kind !== 'symbol') continue
    if (value === '(') open.push(place)
    if (value !== ')') continue
    const opener = open.pop()
    if (opener === undefined) fault(place, 'closes a parenthesis that nothing opened; take it out')
    else closers.set(opener, place)
  }
  for (const place of open) fault(place, 'opens a parenthesis that nothing closes; close it')
  return closers
}

// ─── where statements begin ─────────────────────────────────────────────────────────────────────

const SET_OPERATORS = ['UNION', 'EXCEPT', 'INTERSECT', 'MINUS']

function structureOf(
  tokens: readonly SqlToken[],
  closers: ReadonlyMap<number, number>,
  fault: Reading['fault'],
): Pick<Reading, 'starts' | 'listed'> {
  const starts = new Set([0])
  const listed = new Set<number>()
  for (const [place, token] of tokens.entries()) {
    const isOperator =
      isWord(token, ...SET_OPERATORS) ||
      (isWord(token, 'ALL', 'DISTINCT') && isWord(tokens[place - 1], ...SET_OPERATORS))
    if (isOperator || isSymbol(token, '(')) starts.add(place + 1)
    if (isWord(token, 'WITH') && starts.has(place)) readCtes(tokens, place, closers, starts, listed, fault)
    if (isWord(token, 'AS') && isColumnList(tokens, place + 2, closers)) listed.add(place + 1)
  }
  if (!isWord(tokens[0], 'SELECT', 'WITH')) fault(0, 'must begin with SELECT or WITH')
  return { starts, listed }
}

/** `WITH a (x, y) AS (SELECT …), b AS (…)`: each a SELECT, and a SELECT behind them. */
function readCtes(
  tokens: readonly SqlToken[],
  start: number,
  closers: ReadonlyMap<number, number>,
  starts: Set<number>,
  listed: Set<number>,
  fault: Reading['fault'],
): void {
  let place = start
  if (isWord(tokens[place + 1], 'RECURSIVE')) place += 1
  do {
    place += 1
    const name = place
    if (tokens[place + 1] !== undefined && isColumnList(tokens, place + 1, closers)) {
      listed.add(name)
      place = closers.get(place + 1) ?? place
    }
    place += 1
    if (!isWord(tokens[place], 'AS')) {
      fault(name, 'declares something other than a query behind WITH; a select may only name queries there')
      return
    }
    while (isWord(tokens[place + 1], 'NOT', 'MATERIALIZED')) place += 1
    listed.add(place)
    place += 1
    const isQuery = isSymbol(tokens[place], '(') && isQueryStart(tokens[place + 1])
    if (!isQuery) fault(place + 1, 'is no SELECT, which every query behind WITH must be')
    place = (closers.get(place) ?? tokens.length) + 1
  } while (isSymbol(tokens[place], ','))
  if (!isQueryStart(tokens[place])) fault(place, 'must be a SELECT: one follows the queries behind WITH')
  starts.add(place)
}

function isQueryStart(token: SqlToken | undefined): boolean {
  return isWord(token, 'SELECT', 'WITH', 'VALUES') || isSymbol(token, '(')
}

/** Names, with types or not, and commas alone between parentheses. */
function isColumnList(
  tokens: readonly SqlToken[],
  opener: number,
  closers: ReadonlyMap<number, number>,
): boolean {
  const end = closers.get(opener)
  if (end === undefined || !isName(tokens[opener + 1])) return false
  return tokens
    .slice(opener + 1, end)
    .every(({ kind, value }) => kind !== 'text' && (kind !== 'symbol' || '(),[]'.includes(value)))
}

// ─── the rules ──────────────────────────────────────────────────────────────────────────────────

function checkSymbol({ engine, tokens, fault }: Reading, place: number): void {
  const token = tokens[place]
  if (token?.kind !== 'symbol') return
  if (token.value === ';') fault(place, 'must be one statement, without a semicolon')
  if (token.value === '@' && engine === 'oracle')
    fault(place, 'reads another database over a link; let a source of its own read that one')
  if (token.value === '@' && (engine === 'mysql' || engine === 'sqlserver'))
    fault(place, 'uses a variable, which a select may set as well; write the value itself')
  if (token.value === ':' && engine !== 'postgres')
    fault(place, 'has a colon: a select has no values to bind, and assigns none; write the value itself')
  if (token.value === '.' && engine === 'sqlserver' && isFourthPart(tokens, place))
    fault(place, 'names a thing in four parts, on another server; let a source of its own read that one')
}

/** Whether this dot is the third of a name in a row; parts may be left out (`server...table`). */
function isFourthPart(tokens: readonly SqlToken[], place: number): boolean {
  let dots = 0
  for (let at = place; at >= 0; at -= 1) {
    const token = tokens[at]
    if (isSymbol(token, '.')) dots += 1
    // Two names side by side are two things.
    else if (!isName(token) || !isSymbol(tokens[at + 1], '.')) break
  }
  return dots === 3
}

function checkWord(reading: Reading, place: number): void {
  const { engine, tokens, starts, fault } = reading
  const token = tokens[place]
  if (token?.kind !== 'word') return
  const [before, behind] = [tokens[place - 1], tokens[place + 1]]
  if (isSymbol(before, '.') && isOwner(tokens, place - 2)) {
    if (isWord(token, 'NEXTVAL', 'CURRVAL')) fault(place, 'counts a sequence up; leave it out')
    return
  }
  if (isWord(token, 'SELECT') && !starts.has(place))
    fault(place, 'begins a second statement; let one feed read one select')
  if (isWord(token, 'WITH') && !starts.has(place)) checkWith(reading, place)
  if (isWord(token, 'FOR') && isLock(tokens, place))
    fault(place, 'locks rows, which holds up the ERP; leave the lock out')
  if (isWord(token, 'NEXT') && isWord(behind, 'VALUE') && isWord(tokens[place + 2], 'FOR'))
    fault(place, 'counts a sequence up; leave it out')
  if (engine === 'oracle' && PACKAGES.test(token.value) && isSymbol(behind, '.'))
    fault(place, `uses the package ${token.value.toLowerCase()}; leave it out`)
  const hint = engine === 'sqlserver' ? TABLE_HINTS.get(token.value) : undefined
  if (hint !== undefined) fault(place, hint)
  const isCalled = isSymbol(behind, '(') && SELECT_FUNCTIONS[engine].has(token.value)
  const refused = REFUSED_WORDS[engine].get(token.value)
  if (refused !== undefined && !isCalled) fault(place, refused)
}

/** Oracle's own packages, whose functions may be called without parentheses. */
const PACKAGES = /^(?:DBMS|UTL|OWA|APEX|CTX)_|^HTP$/

/** Whether a thing is named here that owns what the dot behind leads to; a part may be left out (`db..table`). */
function isOwner(tokens: readonly SqlToken[], place: number): boolean {
  const token = isSymbol(tokens[place], '.') ? tokens[place - 1] : tokens[place]
  return isName(token) && (token?.kind === 'name' || !isReserved(token?.value ?? ''))
}

/** WITH where no query can begin: of a time zone, of ties; in SQL Server of table hints. */
function checkWith({ tokens, fault }: Reading, place: number): void {
  const isHarmless =
    isWord(tokens[place - 1], 'START') ||
    isWord(tokens[place + 1], 'TIME', 'LOCAL', 'TIES', 'ORDINALITY', 'ROLLUP', 'CUBE')
  if (isHarmless) return
  // Of a hint that is known by name, that is said where the name stands.
  if (TABLE_HINTS.has(tokens[place + 2]?.value ?? '')) return
  fault(place, 'stands where no query begins (a table hint?); leave it out')
}

function isLock(tokens: readonly SqlToken[], place: number): boolean {
  const [first, second] = tokens.slice(place + 1)
  if (isWord(first, 'UPDATE', 'SHARE')) return true
  return (isWord(first, 'NO') && isWord(second, 'KEY')) || (isWord(first, 'KEY') && isWord(second, 'SHARE'))
}

/** A name with arguments must be a function that is known to be harmless. */
function checkCall({ engine, tokens, listed, fault }: Reading, place: number): void {
  const token = tokens[place]
  const [before, behind, argument] = [tokens[place - 1], tokens[place + 1], tokens[place + 2]]
  if (!isSymbol(behind, '(') || (token?.kind !== 'word' && token?.kind !== 'name')) return
  if (listed.has(place)) return
  // Of a table hint, `t (NOLOCK)`, that is said where its name stands.
  if (engine === 'sqlserver' && TABLE_HINTS.has(argument?.value ?? '')) return
  // Oracle's old outer join: `a.id = b.id (+)`.
  if (engine === 'oracle' && isSymbol(argument, '+') && isSymbol(tokens[place + 3], ')')) return
  if (isSymbol(before, '.')) {
    const schema = tokens[place - 2]?.value ?? ''
    fault(place - 2, `calls ${schema}.${token.value}, a function that somebody wrote; leave it out`)
    return
  }
  if (token.kind === 'word') {
    if (SELECT_FUNCTIONS[engine].has(token.value)) return
    if (isStructure(engine, token.value, before)) return
  }
  fault(
    place,
    token.kind === 'name'
      ? `calls "${token.value}", a function in quotes; write it without`
      : `calls ${token.value.toLowerCase()}, which is not among the functions that are known to be harmless; leave it out, or, where it names columns, put AS before it`,
  )
}

function isWord(token: SqlToken | undefined, ...values: readonly string[]): boolean {
  return token?.kind === 'word' && values.includes(token.value)
}

function isName(token: SqlToken | undefined): boolean {
  return token?.kind === 'word' || token?.kind === 'name'
}

function isSymbol(token: SqlToken | undefined, value: string): boolean {
  return token?.kind === 'symbol' && token.value === value
}

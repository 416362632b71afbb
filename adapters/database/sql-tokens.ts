/** The engines whose SQL is read here. */
export type SqlEngine = 'postgres' | 'mysql' | 'oracle' | 'sqlserver'

/** A piece of SQL that means something. `at` counts UTF-16 units from the beginning of the text. */
export type SqlToken = Readonly<{
  /** `word`: a name or keyword without quotes; `name`: a quoted one. */
  kind: 'word' | 'name' | 'text' | 'number' | 'symbol'
  /** A word in capitals, a quoted name without its quotes, a symbol as it is; of a text nothing. */
  value: string
  at: number
}>

/** Thrown where a text cannot be read, or not in one way only. */
export class SqlUnreadable extends Error {
  readonly at: number

  constructor(message: string, at: number) {
    super(message)
    this.name = 'SqlUnreadable'
    this.at = at
  }
}

/**
 * Cuts SQL into tokens, comments left out, as the engine itself does. Where two settings of a server would cut in two
 * ways (backslashes before a quote, comments within comments), or two readers see two things (full-width letters,
 * invisible characters), the text is refused: SqlUnreadable says why and where.
 */
export function sqlTokens(text: string, engine: SqlEngine): readonly SqlToken[] {
  const tokens: SqlToken[] = []
  for (let at = 0; at < text.length; ) {
    const piece = next(text, at, engine)
    if (piece.kind !== 'nothing')
      tokens.push({ kind: piece.kind, value: piece.value ?? text.slice(at, piece.end), at })
    at = piece.end
  }
  return tokens
}

/** `end`: the place behind it. Without a `value` it stands as it is written. */
type Piece = Readonly<{ kind: SqlToken['kind'] | 'nothing'; end: number; value?: string }>

const SPACE = /[ \t\n\r]+/y
/** `#` begins a comment in MySQL and is an operator in PostgreSQL. */
const WORDS: Readonly<Record<SqlEngine, RegExp>> = {
  postgres: /[\p{L}_][\p{L}\p{M}\p{Nd}_$]*/uy,
  mysql: /[\p{L}_][\p{L}\p{M}\p{Nd}_$]*/uy,
  oracle: /[\p{L}_][\p{L}\p{M}\p{Nd}_$#]*/uy,
  sqlserver: /[\p{L}_][\p{L}\p{M}\p{Nd}_$#]*/uy,
}
const NUMBER = /0[xX][0-9a-fA-F]*|\d+(?:\.(?!\.)\d*)?(?:[eE][+-]?\d+)?/y
const DOLLAR_TAG = /\$(?:[\p{L}_][\p{L}\p{M}\p{Nd}_]*)?\$/uy

/** Characters beside letters, digits and quotes that may stand in a SELECT. */
const SYMBOLS: Readonly<Record<SqlEngine, string>> = {
  postgres: '(),.;+-*/%<>=!|&^~#@?:[]',
  mysql: '(),.;+-*/%<>=!|&^~:@',
  oracle: '(),.;+-*/<>=!|^~:@',
  sqlserver: '(),.;+-*/%<>=!|&^~:@',
}

function next(text: string, at: number, engine: SqlEngine): Piece {
  const char = text[at] ?? ''
  const space = matched(SPACE, text, at)
  if (space !== null) {
    if (/\r(?!\n)/.test(space + (text[at + space.length] ?? '')))
      throw new SqlUnreadable('has a carriage return without a line feed; end lines in one way', at)
    return { kind: 'nothing', end: at + space.length }
  }
  const comment = commentEnd(text, at, engine)
  if (comment !== null) return { kind: 'nothing', end: comment }
  const quoted = quotedPiece(text, at, engine)
  if (quoted !== null) return quoted
  if (/\d/.test(char)) return numberPiece(text, at, engine)
  const word = matched(WORDS[engine], text, at)
  if (word !== null) return wordPiece(text, at, word, engine)
  if (char !== '' && SYMBOLS[engine].includes(char)) return { kind: 'symbol', end: at + 1 }
  throw new SqlUnreadable(strangeCharacter(text, at), at)
}

function matched(pattern: RegExp, text: string, at: number): string | null {
  pattern.lastIndex = at
  return pattern.exec(text)?.[0] ?? null
}

// ─── comments ───────────────────────────────────────────────────────────────────────────────────

/** The end of a comment that begins here; null where none does. */
function commentEnd(text: string, at: number, engine: SqlEngine): number | null {
  const two = text.slice(at, at + 2)
  if (two === '--' || (engine === 'mysql' && text[at] === '#')) return lineCommentEnd(text, at, engine)
  return two === '/*' ? blockCommentEnd(text, at, engine) : null
}

function lineCommentEnd(text: string, at: number, engine: SqlEngine): number {
  // To MySQL `1--1` is 1 minus -1, to the others the rest of the line is a comment.
  if (engine === 'mysql' && text[at] === '-' && !/^(?:[ \t\r\n]|$)/.test(text.slice(at + 2, at + 3)))
    throw new SqlUnreadable('has -- without a space behind it, which MySQL takes for two minus signs', at)
  const end = text.indexOf('\n', at)
  return afterComment(text, at, end < 0 ? text.length : end)
}

function blockCommentEnd(text: string, at: number, engine: SqlEngine): number {
  if (engine === 'mysql' && /^\/\*(?:M?!|\+)/i.test(text.slice(at, at + 4)))
    throw new SqlUnreadable('has a comment that MySQL carries out (/*! … */ or /*+ … */); take it out', at)
  const nests = engine === 'postgres' || engine === 'sqlserver'
  for (let depth = 1, place = at + 2; place < text.length; ) {
    const two = text.slice(place, place + 2)
    if (two === '/*') {
      if (!nests)
        throw new SqlUnreadable('has a comment within a comment, which servers end at two places', place)
      depth += 1
    }
    if (two === '*/') depth -= 1
    if (depth === 0) return afterComment(text, at, place + 2)
    place += two === '/*' || two === '*/' ? 2 : 1
  }
  throw new SqlUnreadable('has a comment that never ends', at)
}

/** A comment may be in any script, but not hide where its line ends. */
function afterComment(text: string, at: number, end: number): number {
  const hidden = /[^\P{C}\t\n\r]|\r(?!\n)|[\u2028\u2029]/u.exec(text.slice(at, end))
  if (hidden === null) return end
  throw new SqlUnreadable(strangeCharacter(text, at + hidden.index), at + hidden.index)
}

// ─── what stands between quotes ─────────────────────────────────────────────────────────────────

function quotedPiece(text: string, at: number, engine: SqlEngine): Piece | null {
  const char = text[at]
  if (char === "'") return { kind: 'text', end: quotedEnd(text, at, "'", PLAIN[engine]), value: '' }
  // To MySQL a text, or with ANSI_QUOTES a name: what it says ends at the same place.
  if (char === '"') return namePiece(text, at, '"', engine === 'mysql' ? 'unsure' : 'nothing')
  if (char === '`' && engine === 'mysql') return namePiece(text, at, '`', 'nothing')
  if (char === '[' && engine === 'sqlserver') return namePiece(text, at, ']', 'nothing')
  const tag = engine === 'postgres' ? matched(DOLLAR_TAG, text, at) : null
  if (tag === null) return null
  const end = text.indexOf(tag, at + tag.length)
  if (end < 0) throw new SqlUnreadable(`has a text that ${tag} begins and nothing ends`, at)
  return { kind: 'text', end: withoutNul(text, at, end + tag.length), value: '' }
}

function namePiece(text: string, at: number, quote: string, backslashes: Backslashes): Piece {
  const end = quotedEnd(text, at, quote, backslashes)
  const value = text.slice(at + 1, end - 1).replaceAll(quote + quote, quote)
  const hidden = /[^\P{C}]/u.exec(value)
  if (hidden !== null) throw new SqlUnreadable(strangeCharacter(value, hidden.index), at)
  return { kind: 'name', end, value }
}

/** What a backslash does to the character behind it: in an `unsure` text that depends on the server's settings. */
type Backslashes = 'nothing' | 'escape' | 'unsure'

/** PostgreSQL: standard_conforming_strings. MySQL: NO_BACKSLASH_ESCAPES. */
const PLAIN: Readonly<Record<SqlEngine, Backslashes>> = {
  postgres: 'unsure',
  mysql: 'unsure',
  oracle: 'nothing',
  sqlserver: 'nothing',
}

/** The place behind the closing quote; a doubled one is a character of the text. */
function quotedEnd(text: string, at: number, quote: string, backslashes: Backslashes): number {
  for (let place = at + 1; place < text.length; place += 1) {
    const char = text[place]
    if (char === '\\' && backslashes !== 'nothing') {
      if (backslashes === 'unsure' && text[place + 1] === quote)
        throw new SqlUnreadable(
          `has a backslash before a quote, which a server reads in one of two ways; double the quote instead (${quote}${quote})`,
          place,
        )
      place += 1
    } else if (char === quote) {
      if (text[place + 1] !== quote) return withoutNul(text, at, place + 1)
      place += 1
    }
  }
  throw new SqlUnreadable('has a quote that nothing closes', at)
}

const ORACLE_CLOSERS: Readonly<Record<string, string>> = { '[': ']', '(': ')', '{': '}', '<': '>' }

/** Oracle's q'[…]': ends at the first closer that a quote follows. */
function alternativeEnd(text: string, at: number, quote: number): number {
  const opener = text[quote + 1] ?? ''
  if (/^[\s']?$/.test(opener)) throw new SqlUnreadable("has a q'…' without a delimiter", at)
  const closer = `${ORACLE_CLOSERS[opener] ?? opener}'`
  const end = text.indexOf(closer, quote + 2)
  if (end < 0) throw new SqlUnreadable("has a q'…' that nothing closes", at)
  return withoutNul(text, at, end + closer.length)
}

function withoutNul(text: string, at: number, end: number): number {
  const nul = text.slice(at, end).indexOf('\0')
  if (nul >= 0) throw new SqlUnreadable('has a NUL character, at which some readers stop', at + nul)
  return end
}

// ─── words and numbers ──────────────────────────────────────────────────────────────────────────

/** Prefixes of texts: N'…', E'…', X'…'. */
const PREFIXES: Readonly<Record<SqlEngine, RegExp>> = {
  postgres: /^[NBXE]$/,
  mysql: /^[NBX]$/,
  oracle: /^(?:N|N?Q)$/,
  sqlserver: /^N$/,
}

function wordPiece(text: string, at: number, word: string, engine: SqlEngine): Piece {
  const end = at + word.length
  // By themselves, not as they are written together: a mark may stand behind its letter (é in two characters).
  for (const char of word)
    if (char.normalize('NFKC') !== char) throw new SqlUnreadable(strangeCharacter(char, 0), at)
  const value = word.toUpperCase()
  if (value === 'U' && /^(?:&["']|')/.test(text.slice(end, end + 2)))
    throw new SqlUnreadable('has a text or name of code points (U&…); write its characters', at)
  if (text[end] !== "'" || !PREFIXES[engine].test(value)) return { kind: 'word', end, value }
  if (value.endsWith('Q')) return { kind: 'text', end: alternativeEnd(text, at, end), value: '' }
  const backslashes = value === 'E' ? 'escape' : PLAIN[engine]
  return { kind: 'text', end: quotedEnd(text, end, "'", backslashes), value: '' }
}

function numberPiece(text: string, at: number, engine: SqlEngine): Piece {
  const end = at + (matched(NUMBER, text, at) ?? '').length
  // `0xINTO` is 0x and INTO to one server, and a name to another.
  if (matched(WORDS[engine], text, end) !== null || /[\d.$]/.test(text[end] ?? ''))
    throw new SqlUnreadable('has a number that runs into what follows; put a space between them', at)
  return { kind: 'number', end }
}

function strangeCharacter(text: string, at: number): string {
  const code = text.codePointAt(at) ?? 0
  const shown = `U+${code.toString(16).toUpperCase().padStart(4, '0')}`
  const char = String.fromCodePoint(code)
  if (char.normalize('NFKC') !== char)
    return `has ${shown}, which only looks like ${JSON.stringify(char.normalize('NFKC'))}; write it plainly, or quote the name`
  if (/[\p{C}\p{Z}]/u.test(char)) return `has an invisible character (${shown}); take it out`
  return `has ${JSON.stringify(char)} (${shown}), which has no place in a SELECT of this engine`
}

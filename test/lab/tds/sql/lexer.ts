import { SqlFailure } from './failure.ts'

export type Token = Readonly<{
  kind: 'word' | 'name' | 'text' | 'number' | 'bytes' | 'parameter' | 'sign'
  /** A name or text without its quotes. */
  value: string
}>

const PATTERNS: readonly (readonly [Token['kind'] | 'space', RegExp])[] = [
  ['space', /\s+|--[^\n]*|\/\*[\s\S]*?\*\//y],
  ['text', /N?'((?:[^']|'')*)'/y],
  ['name', /\[((?:[^\]]|\]\])*)\]|"((?:[^"]|"")*)"/y],
  ['bytes', /0x([0-9a-fA-F]*)/y],
  ['number', /\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y],
  ['parameter', /@@?\w+/y],
  ['word', /[\p{L}_#][\p{L}\p{N}_$#]*/uy],
  ['sign', /<>|<=|>=|!=|[-+*/%(),.=<>;&|]/y],
]

/** Cuts a batch of T-SQL into its words. Throws error 102 at what is none. */
export function tokensOf(sql: string): readonly Token[] {
  const tokens: Token[] = []
  for (let at = 0; at < sql.length; ) {
    const [kind, match] = matchAt(sql, at)
    at += match[0].length
    if (kind !== 'space') tokens.push({ kind, value: textOf(kind, match) })
  }
  return tokens
}

function matchAt(sql: string, at: number): readonly [Token['kind'] | 'space', RegExpExecArray] {
  for (const [kind, pattern] of PATTERNS) {
    pattern.lastIndex = at
    const match = pattern.exec(sql)
    if (match !== null) return [kind, match]
  }
  throw new SqlFailure(102, `Incorrect syntax near '${sql.slice(at, at + 20)}'.`)
}

function textOf(kind: Token['kind'] | 'space', match: RegExpExecArray): string {
  const [whole, first, second] = match
  if (kind === 'text') return (first ?? '').replaceAll("''", "'")
  if (kind === 'name')
    return (first ?? second ?? '').replaceAll(
      first === undefined ? '""' : ']]',
      first === undefined ? '"' : ']',
    )
  return kind === 'bytes' ? (first ?? '') : whole
}

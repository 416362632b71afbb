import type { Scalar } from 'yaml'

/**
 * The offset in the file of a character of a scalar's value. Folding and indentation change white space only, so the
 * characters that are not white space stand in the same order in both: the n-th of the value is the n-th of the text.
 * An offset at white space, or at the end, is the place right behind the character before it.
 */
export function sourceOffset(scalar: Scalar, fileText: string, valueOffset: number): number {
  const value = String(scalar.value)
  const begin = scalar.range?.[0] ?? 0
  const end = scalar.range?.[1] ?? begin
  const isVisible = !isSpace(value[valueOffset] ?? ' ')
  const before = countVisible(value.slice(0, valueOffset))
  const wanted = isVisible ? before : before - 1
  if (wanted < 0) return begin
  let seen = 0
  let last = begin
  for (const written of writtenCharacters(scalar, fileText.slice(begin, end))) {
    if (isSpace(written.character)) continue
    last = begin + written.end
    if (seen === wanted) return isVisible ? begin + written.start : last
    seen++
  }
  return last
}

/** A character of the value and the part of the text that writes it. */
type Written = Readonly<{ character: string; start: number; end: number }>

function writtenCharacters(scalar: Scalar, text: string): Iterable<Written> {
  switch (scalar.type) {
    case 'QUOTE_DOUBLE':
      return quoted(text, /\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|\r?\n|[\s\S])|[\s\S]/g)
    case 'QUOTE_SINGLE':
      return quoted(text, /''|[\s\S]/g)
    case 'BLOCK_FOLDED':
    case 'BLOCK_LITERAL':
      // The first line is the header: `|`, `>-`, an indentation, a comment.
      return literal(text, text.indexOf('\n') + 1)
    default:
      return literal(text, 0)
  }
}

function* literal(text: string, from: number): Iterable<Written> {
  for (let start = from; start < text.length; start++) {
    yield { character: text.charAt(start), start, end: start + 1 }
  }
}

function* quoted(text: string, pattern: RegExp): Iterable<Written> {
  for (const match of text.slice(1, -1).matchAll(pattern)) {
    const [token] = match
    const start = match.index + 1
    for (const character of unescaped(token).split('')) yield { character, start, end: start + token.length }
  }
}

/** What a token stands for, as far as it matters here: how many characters, and whether they are white space. */
function unescaped(token: string): string {
  if (token === "''") return "'"
  if (!token.startsWith('\\')) return token
  const code = token.slice(1)
  if (/^[xuU]./.test(code)) return String.fromCodePoint(Number.parseInt(code.slice(1), 16))
  return /^(?:[ntr \t]|\r?\n)$/.test(code) ? ' ' : code
}

function countVisible(text: string): number {
  return text.split('').filter((character) => !isSpace(character)).length
}

function isSpace(character: string): boolean {
  return character === ' ' || character === '\n' || character === '\t' || character === '\r'
}

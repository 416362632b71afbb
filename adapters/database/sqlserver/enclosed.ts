/** What may hold a parenthesis that opens and closes nothing: texts, quoted names, and comments, which may be nested. */
const OPAQUE = /'(?:[^']|'')*'|"(?:[^"]|"")*"|\[(?:[^\]]|\]\])*\]|--[^\n]*/y

/**
 * Whether a query stays inside the parentheses that are put around it. T-SQL needs no semicolon between statements: one
 * that closes them by itself could go on with anything.
 */
export function isEnclosed(query: string): boolean {
  let depth = 0
  for (let at = 0; at < query.length && depth >= 0; ) {
    OPAQUE.lastIndex = at
    const skipped = OPAQUE.exec(query)?.[0].length ?? commentAt(query, at)
    if (skipped === null) return false
    if (skipped === 0 && query[at] === '(') depth += 1
    if (skipped === 0 && query[at] === ')') depth -= 1
    // A quote that is still here is never closed.
    if (skipped === 0 && /['"[]/.test(query[at] ?? '')) return false
    at += Math.max(skipped, 1)
  }
  return depth === 0
}

/** The length of the comment that begins here, 0 where none does, and null where it does not end. */
function commentAt(query: string, from: number): number | null {
  if (!query.startsWith('/*', from)) return 0
  let depth = 0
  for (let at = from; at < query.length; at += 1) {
    const two = query.slice(at, at + 2)
    if (two === '/*') depth += 1
    if (two === '*/') depth -= 1
    if (two === '/*' || two === '*/') at += 1
    if (depth === 0) return at + 1 - from
  }
  return null
}

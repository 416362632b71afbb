/**
 * One thing that is wrong in a file written by a person: where, in which field, and what to do. All
 * mistakes of a file are reported together, so a list of these is what every check in this room
 * returns.
 */
export type Mistake = Readonly<{
  file: string
  /** From 1. */
  line: number
  /** From 1. */
  column: number
  /** Path of the rule or setting, as `fields.lines.net`; empty for the file as a whole. */
  field: string
  /**
   * One sentence, with the nearest valid name where there is one; an expression's has its own caret
   * lines below.
   */
  message: string
}>

/** A place in a file; both numbers count from 1. */
export type Place = Readonly<{ file: string; line: number; column: number }>

/** `file:line:column field: message`, as it is printed. */
export function mistakeText(mistake: Mistake): string {
  const field = mistake.field === '' ? '' : `${mistake.field}: `
  return `${mistake.file}:${mistake.line}:${mistake.column} ${field}${mistake.message}`
}

/**
 * Thrown by `mustLoad`-like doors where a caller cannot go on; the message lists every mistake, one
 * a line.
 */
export function mistakesText(mistakes: readonly Mistake[]): string {
  return mistakes.map(mistakeText).join('\n')
}

/** In the order of the files, which is how a person mends them. */
export function inFileOrder(mistakes: readonly Mistake[]): readonly Mistake[] {
  return mistakes.toSorted(
    (left, right) =>
      (left.file < right.file ? -1 : left.file > right.file ? 1 : 0) ||
      left.line - right.line ||
      left.column - right.column,
  )
}

const NAMES_SHOWN_MAX = 12

/** ` (did you mean "x"?)`, or the valid names when none is near and they are few, or nothing. */
export function suggestion(name: string, valid: readonly string[]): string {
  const near = nearest(name, valid)
  if (near !== null) return ` (did you mean "${near}"?)`
  if (valid.length === 0 || valid.length > NAMES_SHOWN_MAX) return ''
  return ` (valid: ${[...valid].sort().join(', ')})`
}

/**
 * The valid name that a slip of the hand is nearest to, or null when nothing is near enough to be
 * meant.
 */
export function nearest(name: string, valid: readonly string[]): string | null {
  let best: string | null = null
  let bestDistance = Math.max(1, Math.floor(name.length / 3)) + 1
  for (const candidate of valid) {
    const found = distance(name.toLowerCase(), candidate.toLowerCase(), bestDistance)
    if (found < bestDistance) {
      best = candidate
      bestDistance = found
    }
  }
  return best
}

/**
 * Edits, counting a swap of neighbours as one, between two names; at least `limit` when they are
 * further apart.
 */
function distance(left: string, right: string, limit: number): number {
  if (Math.abs(left.length - right.length) >= limit) return limit
  let before: number[] = []
  let last = Array.from({ length: right.length + 1 }, (_, index) => index)
  for (let i = 1; i <= left.length; i++) {
    const row = [i]
    for (let j = 1; j <= right.length; j++) {
      const same = left[i - 1] === right[j - 1]
      let cost = Math.min(at(last, j) + 1, at(row, j - 1) + 1, at(last, j - 1) + (same ? 0 : 1))
      const swapped = i > 1 && j > 1 && left[i - 1] === right[j - 2] && left[i - 2] === right[j - 1]
      if (swapped) cost = Math.min(cost, at(before, j - 2) + 1)
      row.push(cost)
    }
    before = last
    last = row
  }
  return at(last, right.length)
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? Number.POSITIVE_INFINITY
}

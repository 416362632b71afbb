import { sanitise } from '../sanitise.ts'

/** Rows as aligned columns, headings first. Cells are made safe for a terminal. */
export function textTable(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const safe = [headings, ...rows].map((row) => row.map((cell) => sanitise(cell)))
  const widths = headings.map((_, column) => Math.max(...safe.map((row) => width(row[column] ?? ''))))
  return safe
    .map((row) =>
      row
        .map((cell, column) => (column === row.length - 1 ? cell : pad(cell, widths[column] ?? 0)))
        .join('  ')
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join('')
}

function pad(cell: string, to: number): string {
  return cell + ' '.repeat(Math.max(0, to - width(cell)))
}

/** Columns that a text takes on a terminal: signs of East Asian scripts and emoji take two, marks on others none. */
export function width(text: string): number {
  let columns = 0
  for (const sign of text) columns += MARK.test(sign) ? 0 : WIDE.test(sign) ? 2 : 1
  return columns
}

const MARK = /^[\p{Mn}\p{Me}]$/u

const WIDE =
  /^[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}\p{Emoji_Presentation}]$/u

import { decimalText, parseDecimal, shifted, withScale } from './decimal.ts'

/** How a source writes numbers. */
export type NumeralStyle = Readonly<{
  /** What stands between groups of three digits, where it stands at all. */
  thousands: string | null
  /** What stands before the decimals. */
  decimalMark: string
}>

/** As our events write decimals: no plus, no leading zeros, no `-0`. */
const CANONICAL = /^-?(?:0|[1-9]\d{0,40})(?:\.\d{1,20})?$/

/**
 * Compiles the reading of a number's text to plain canonical notation, with the decimals that were
 * written; null for what is no number. Takes a sign before or behind (SAP and COBOL write
 * `12.50-`), and `.0000` without a zero.
 */
export function compileNumeral(style: NumeralStyle): (text: string) => string | null {
  const { thousands, decimalMark } = style
  const isPlain = thousands === null && decimalMark === '.'
  return (text) => {
    if (isPlain && CANONICAL.test(text) && text.charCodeAt(0) !== MINUS) return text
    const trimmed = text.trim()
    const isTrailing = trimmed.endsWith('-') && trimmed.length > 1
    const number = isTrailing ? trimmed.slice(0, -1).trimEnd() : trimmed
    const plain = isPlain ? number : toPlain(number, style)
    if (plain === null) return null
    const parsed = parseDecimal(isTrailing ? `-${plain}` : plain)
    return parsed === null ? null : decimalText(parsed)
  }
}

const MINUS = 45
const ZERO = 48

/**
 * Takes out the grouping, which must be right: `1.5` under `thousands: "."` is a mistake somewhere,
 * not 15.
 */
function toPlain(text: string, { thousands, decimalMark }: NumeralStyle): string | null {
  const [whole = '', fraction, ...more] = text.split(decimalMark)
  if (more.length > 0) return null
  let digits = whole
  if (thousands !== null && whole.includes(thousands)) {
    const [first = '', ...groups] = whole.split(thousands)
    const isGrouped = /^[+-]?\d{1,3}$/.test(first) && groups.every((group) => /^\d{3}$/.test(group))
    if (!isGrouped) return null
    digits = first + groups.join('')
  }
  return fraction === undefined ? digits : `${digits}.${fraction}`
}

/**
 * Canonical text with exactly `scale` decimals; null when decimals other than zeros would be lost.
 */
export function scaleText(text: string, scale: number): string | null {
  const point = text.indexOf('.')
  const have = point === -1 ? 0 : text.length - point - 1
  if (have === scale) return text
  if (have > scale && isZeros(text, text.length - have + scale)) {
    const cut = text.slice(0, scale === 0 ? point : point + 1 + scale)
    return cut === '-0' ? '0' : cut
  }
  const value = parseDecimal(text)
  const scaled = value === null ? null : withScale(value, scale)
  return scaled === null ? null : decimalText(scaled)
}

function isZeros(text: string, from: number): boolean {
  for (let index = from; index < text.length; index++) if (text.charCodeAt(index) !== ZERO) return false
  return true
}

/** Canonical text with the point moved `places` to the right. */
export function shiftText(text: string, places: number): string {
  const value = places === 0 ? null : parseDecimal(text)
  return value === null ? text : decimalText(shifted(value, places))
}

/** The same number with the other sign. */
export function negateText(text: string): string {
  if (/^0(?:\.0+)?$/.test(text)) return text
  return text.startsWith('-') ? text.slice(1) : `-${text}`
}

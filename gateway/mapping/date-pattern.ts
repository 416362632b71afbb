import { type CivilDate, DAY_SECONDS, dayNumber, isDay } from './calendar.ts'

/**
 * What a text reads as under a pattern. `localSeconds` counts from 1970 as if the reading were UTC;
 * `offsetSeconds` is the offset that the text itself names, or null; `fraction` are the decimals of
 * the second, trailing zeros cut.
 */
export type Reading = Readonly<{
  date: CivilDate
  localSeconds: number
  fraction: string
  offsetSeconds: number | null
}>

export type DatePattern = Readonly<{
  text: string
  hasTime: boolean
  /** Null when the text does not fit, or names a day or time that does not exist. */
  read(text: string): Reading | null
}>

/** Dates as PostgreSQL and ISO write them. */
export const DATE_PATTERNS: readonly string[] = ['YYYY-MM-DD']

/** Date-times as PostgreSQL and ISO write them, with or without fraction and offset. */
export const DATE_TIME_PATTERNS: readonly string[] = [
  'YYYY-MM-DD HH:MM:SS[.F][Z]',
  'YYYY-MM-DDTHH:MM:SS[.F][Z]',
]

/**
 * Compiles a pattern: `YYYY MM DD HH MM SS` stand for digits (`MM` behind `HH` is minutes), `F` for
 * one to nine decimals of the second, `Z` for an offset (`Z`, `+08`, `+0800`, `+08:00`), `[ ]`
 * around what may be missing; every other character stands for itself. Answers a sentence about
 * what is wrong with the pattern when it cannot be used.
 */
export function compileDatePattern(pattern: string): DatePattern | string {
  const parts = pattern.match(/YYYY|MM|DD|HH|SS|F|Z|\[|\]|[\s\S]/g) ?? []
  const names = new Set<PartName>()
  const steps: Step[] = []
  let open: Step[] | null = null
  for (const part of parts) {
    if (part === '[' || part === ']') {
      if ((open === null) !== (part === '[')) return UNBALANCED
      if (open !== null) steps.push({ kind: 'optional', steps: open })
      open = open === null ? [] : null
      continue
    }
    const step = stepOf(part, names)
    if (step === null) return `"${part}" is not a part of a date pattern`
    if (step.kind === 'part') {
      if (names.has(step.name)) return `"${part}" stands twice in it`
      names.add(step.name)
    }
    const into: Step[] = open ?? steps
    into.push(step)
  }
  if (open !== null) return UNBALANCED
  if (!names.has('YYYY') || !names.has('MM') || !names.has('DD')) return 'it must name YYYY, MM and DD'
  return { text: pattern, hasTime: names.has('HH'), read: (text) => readWith(steps, text) }
}

const UNBALANCED = 'brackets of optional parts must be closed and cannot be nested'

const WIDTHS = { YYYY: 4, MM: 2, DD: 2, HH: 2, MI: 2, SS: 2, F: 0, Z: 0 } as const
type PartName = keyof typeof WIDTHS

type Step =
  | Readonly<{ kind: 'part'; name: PartName }>
  | Readonly<{ kind: 'literal'; text: string }>
  | Readonly<{ kind: 'optional'; steps: readonly Step[] }>

function stepOf(part: string, names: ReadonlySet<PartName>): Step | null {
  if (part === 'MM' && names.has('HH')) return { kind: 'part', name: 'MI' }
  if (part === 'YYYY' || part === 'MM' || part === 'DD' || part === 'HH' || part === 'SS') {
    return { kind: 'part', name: part }
  }
  if (part === 'F' || part === 'Z') return { kind: 'part', name: part }
  return /[A-SU-Za-z]/.test(part) ? null : { kind: 'literal', text: part }
}

/**
 * What the parts read so far, and the place in the text behind them. Not a regex: this runs for
 * every date of a row.
 */
type Found = { at: number; fraction: string; offset: number | null } & Record<
  Exclude<PartName, 'F' | 'Z'>,
  number
>

function readWith(steps: readonly Step[], text: string): Reading | null {
  const found: Found = { at: 0, fraction: '', offset: null, YYYY: 0, MM: 0, DD: 0, HH: 0, MI: 0, SS: 0 }
  if (!walk(steps, text, found) || found.at !== text.length) return null
  const { YYYY: year, MM: month, DD: day, HH, MI, SS, fraction, offset } = found
  if (!isDay(year, month, day) || MI > 59 || SS > 59) return null
  // 24:00:00 is the end of the day, as SAP and ISO 8601 write it.
  if (HH > 24 || (HH === 24 && (MI > 0 || SS > 0 || fraction !== ''))) return null
  const localSeconds = dayNumber(year, month, day) * DAY_SECONDS + HH * 3600 + MI * 60 + SS
  return { date: { year, month, day }, localSeconds, fraction, offsetSeconds: offset }
}

function walk(steps: readonly Step[], text: string, found: Found): boolean {
  for (const step of steps) {
    if (step.kind === 'literal') {
      if (!text.startsWith(step.text, found.at)) return false
      found.at += step.text.length
    } else if (step.kind === 'optional') {
      const before = found.at
      if (!walk(step.steps, text, found)) found.at = before
    } else if (!readPart(step.name, text, found)) return false
  }
  return true
}

function readPart(name: PartName, text: string, found: Found): boolean {
  if (name === 'F') return readFraction(text, found)
  if (name === 'Z') return readOffset(text, found)
  const value = digitsAt(text, found.at, WIDTHS[name])
  if (value < 0) return false
  found[name] = value
  found.at += WIDTHS[name]
  return true
}

/** The number of exactly `width` digits at a place, or -1. */
function digitsAt(text: string, at: number, width: number): number {
  if (at + width > text.length) return -1
  let value = 0
  for (let index = at; index < at + width; index++) {
    const digit = text.charCodeAt(index) - 48
    if (digit < 0 || digit > 9) return -1
    value = value * 10 + digit
  }
  return value
}

const FRACTION_MAX = 9

function readFraction(text: string, found: Found): boolean {
  const from = found.at
  let to = from
  while (to - from <= FRACTION_MAX && digitsAt(text, to, 1) >= 0) to++
  if (to === from || to - from > FRACTION_MAX) return false
  found.at = to
  while (to > from && text[to - 1] === '0') to--
  found.fraction = text.slice(from, to)
  return true
}

/** `Z`, `+08`, `+0800`, `+08:00` or, for offsets of local mean time, `+08:05:43`. */
function readOffset(text: string, found: Found): boolean {
  const sign = text[found.at]
  if (sign === 'Z') {
    found.at++
    found.offset = 0
    return true
  }
  const hours = digitsAt(text, found.at + 1, 2)
  if ((sign !== '+' && sign !== '-') || hours < 0) return false
  found.at += 3
  let seconds = hours * 3600
  for (const unit of [60, 1]) {
    const skip = text[found.at] === ':' ? 1 : 0
    const value = digitsAt(text, found.at + skip, 2)
    if (value < 0 || value > 59) break
    found.at += skip + 2
    seconds += value * unit
  }
  found.offset = sign === '-' ? -seconds : seconds
  return hours <= OFFSET_HOURS_MAX
}

/** No zone has ever been further from UTC. */
const OFFSET_HOURS_MAX = 15

import { DAY_SECONDS, dayNumber, isDay } from './calendar.ts'

/**
 * What a text reads as under a pattern. `localSeconds` counts from 1970 as if the reading were UTC; `offsetSeconds` is
 * the offset that the text itself names, or null; `fraction` are the decimals of the second, trailing zeros cut.
 */
export type Reading = Readonly<{
  dayNumber: number
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
 * Compiles a pattern: `YYYY MM DD HH MM SS` stand for digits (`MM` behind `HH` is minutes), `F` for one to nine decimals
 * of the second, `Z` for an offset (`Z`, `+08`, `+0800`, `+08:00`), `[ ]` around what may be missing; every other
 * character stands for itself. Answers a sentence about what is wrong with the pattern when it cannot be used.
 */
export function compileDatePattern(pattern: string): DatePattern | string {
  const parts = pattern.match(/YYYY|MM|DD|HH|SS|F|Z|\[|\]|[\s\S]/g) ?? []
  const groups = new Set<string>()
  let source = ''
  let isOpen = false
  for (const part of parts) {
    if (part === '[' || part === ']') {
      if (isOpen === (part === '[')) return 'brackets of optional parts must be closed and cannot be nested'
      isOpen = part === '['
      source += isOpen ? '(?:' : ')?'
      continue
    }
    const group = part === 'MM' && groups.has('HH') ? 'MI' : part
    const regex = GROUPS[group]
    if (regex === undefined) {
      if (/[A-Za-z]/.test(part) && part !== 'T') return `"${part}" is not a part of a date pattern`
      source += part.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')
      continue
    }
    if (groups.has(group)) return `"${part}" stands twice in it`
    groups.add(group)
    source += `(?<${group}>${regex})`
  }
  if (isOpen) return 'brackets of optional parts must be closed and cannot be nested'
  if (!['YYYY', 'MM', 'DD'].every((group) => groups.has(group))) return 'it must name YYYY, MM and DD'
  const regex = new RegExp(`^${source}$`)
  return { text: pattern, hasTime: groups.has('HH'), read: (text) => readingOf(regex.exec(text)?.groups) }
}

/** Every alternative has a bounded length, so no text can make a pattern run away. */
const GROUPS: Readonly<Record<string, string>> = {
  YYYY: '\\d{4}',
  MM: '\\d{2}',
  DD: '\\d{2}',
  HH: '\\d{2}',
  MI: '\\d{2}',
  SS: '\\d{2}',
  F: '\\d{1,9}',
  Z: 'Z|[+-]\\d{2}(?::?\\d{2}(?::\\d{2})?)?',
}

function readingOf(groups: Record<string, string | undefined> | undefined): Reading | null {
  if (groups === undefined) return null
  const year = Number(groups['YYYY'])
  const month = Number(groups['MM'])
  const date = Number(groups['DD'])
  if (!isDay(year, month, date)) return null
  const secondOfDay = timeOf(groups['HH'], groups['MI'], groups['SS'])
  if (secondOfDay === null) return null
  const day = dayNumber(year, month, date)
  const fraction = (groups['F'] ?? '').replace(/0+$/, '')
  if (secondOfDay === DAY_SECONDS && fraction !== '') return null
  const offsetSeconds = offsetOf(groups['Z'])
  return { dayNumber: day, localSeconds: day * DAY_SECONDS + secondOfDay, fraction, offsetSeconds }
}

/** Seconds since midnight; 24:00:00 is the end of the day, as SAP and ISO 8601 write it. */
function timeOf(hour = '0', minute = '0', second = '0'): number | null {
  const h = Number(hour)
  const m = Number(minute)
  const s = Number(second)
  if (h === 24) return m === 0 && s === 0 ? DAY_SECONDS : null
  return h < 24 && m < 60 && s < 60 ? h * 3600 + m * 60 + s : null
}

function offsetOf(text: string | undefined): number | null {
  if (text === undefined) return null
  if (text === 'Z') return 0
  const digits = text.slice(1).replaceAll(':', '')
  const seconds =
    Number(digits.slice(0, 2)) * 3600 + Number(digits.slice(2, 4) || 0) * 60 + Number(digits.slice(4, 6) || 0)
  return text.startsWith('-') ? -seconds : seconds
}

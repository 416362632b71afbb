import { isDate } from '../schemas/formats.ts'
import { DAY_SECONDS, dateText, instantText, offsetText } from './calendar.ts'
import { compileDatePattern, DATE_PATTERNS, DATE_TIME_PATTERNS, type Reading } from './date-pattern.ts'
import type { FieldType } from './field-type.ts'
import type { CompiledRule, Compiling } from './rule.ts'
import { openOptions, type RuleOptions } from './rule-options.ts'
import { refused, VALUE_KEYS, valueRule } from './rule-value.ts'
import type { WrittenMap } from './written.ts'
import type { Zone } from './zone.ts'

/** A business date. Under a pattern with a time, the day of it in the source's own clock. */
export function dateRule(written: WrittenMap, type: FieldType, compiling: Compiling): CompiledRule {
  const options = openOptions(written, [...VALUE_KEYS, 'pattern'], compiling)
  const read = compileReading(options, [...DATE_PATTERNS, ...DATE_TIME_PATTERNS])
  const isUsual = !options.has('pattern')
  return valueRule(options, type, (text, scope, field) => {
    // Nearly every date is written as we write it.
    if (isUsual && isDate(text)) return text
    const reading = read(text)
    return reading === null ? refused(field, scope, text, 'is not a date') : dateText(reading.date)
  })
}

/**
 * An instant with offset. A text without one is a reading of the clock in the zone of the source.
 */
export function dateTimeRule(written: WrittenMap, type: FieldType, compiling: Compiling): CompiledRule {
  const options = openOptions(written, [...VALUE_KEYS, 'pattern'], compiling)
  const read = compileReading(options, DATE_TIME_PATTERNS)
  const isUsual = !options.has('pattern')
  const { zone } = compiling
  return valueRule(options, type, (text, scope, field) => {
    const reading = read(text)
    const instant = reading === null ? null : instantOf(reading, zone, isUsual ? text : null)
    return instant ?? refused(field, scope, text, 'is not a date-time')
  })
}

/** Reads a date-time as sources write them without a pattern; null for what is none. */
export function readDateTime(text: string, zone: Zone): string | null {
  for (const pattern of COMMON) {
    const reading = pattern.read(text)
    if (reading !== null) return instantOf(reading, zone, text)
  }
  return null
}

const COMMON = DATE_TIME_PATTERNS.map(compileDatePattern).filter((pattern) => typeof pattern !== 'string')

/** `text`: what was read, where it is written by one of the usual patterns; else null. */
function instantOf(reading: Reading, zone: Zone, text: string | null): string | null {
  const { localSeconds, fraction } = reading
  const { epochSeconds, offsetSeconds } =
    reading.offsetSeconds === null
      ? zone.resolve(localSeconds)
      : { epochSeconds: localSeconds - reading.offsetSeconds, offsetSeconds: reading.offsetSeconds }
  const offset = offsetText(offsetSeconds)
  const isAsRead = epochSeconds + offsetSeconds === localSeconds && localSeconds % DAY_SECONDS !== 0
  // Nearly always date and time stand as they are written, and only the offset is new.
  if (text !== null && offset !== null && isAsRead) {
    return `${text.slice(0, 10)}T${text.slice(11, 19)}${fraction === '' ? '' : `.${fraction}`}${offset}`
  }
  return instantText(epochSeconds, fraction, offsetSeconds)
}

/** One pattern or several, of which the first that fits counts. */
function compileReading(options: RuleOptions, usual: readonly string[]): (text: string) => Reading | null {
  const patterns = (options.texts('pattern') ?? usual).map((text) => {
    const pattern = compileDatePattern(text)
    return typeof pattern === 'string'
      ? options.fail(`the pattern "${text}" cannot be used: ${pattern}`)
      : pattern
  })
  const usable = patterns.filter((pattern) => pattern !== null)
  return (text) => {
    for (const pattern of usable) {
      const reading = pattern.read(text)
      if (reading !== null) return reading
    }
    return null
  }
}

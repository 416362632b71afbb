/**
 * Calendar arithmetic on plain numbers: proleptic Gregorian, no clock, no zone, no Date object, so
 * that a local date-time of an ERP never meets the zone of this machine.
 */

export type CivilDate = Readonly<{ year: number; month: number; day: number }>

export const DAY_SECONDS = 86_400

/** Days since 1970-01-01. */
export function dayNumber(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year
  const era = Math.floor(y / 400)
  const yearOfEra = y - era * 400
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear
  return era * 146_097 + dayOfEra - 719_468
}

export function civilDate(dayNumberValue: number): CivilDate {
  const shiftedDay = dayNumberValue + 719_468
  const era = Math.floor(shiftedDay / 146_097)
  const dayOfEra = shiftedDay - era * 146_097
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1460) +
      Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  )
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100))
  const monthPart = Math.floor((5 * dayOfYear + 2) / 153)
  const month = monthPart < 10 ? monthPart + 3 : monthPart - 9
  return {
    year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0),
    month,
    day: dayOfYear - Math.floor((153 * monthPart + 2) / 5) + 1,
  }
}

/** Whether the day exists: years 1 to 9999, real months, 29 February in leap years only. */
export function isDay(year: number, month: number, day: number): boolean {
  if (year < 1 || year > 9999 || month < 1 || month > 12 || day < 1) return false
  return day <= daysInMonth(year, month)
}

function daysInMonth(year: number, month: number): number {
  if (month !== 2) return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28
}

/** `YYYY-MM-DD`. */
export function dateText({ year, month, day }: CivilDate): string {
  return `${digits(year, 4)}-${two(month)}-${two(day)}`
}

/** `HH:MM:SS`, with the fraction when there is one. */
function timeText(secondOfDay: number, fraction: string): string {
  const hour = Math.floor(secondOfDay / 3600)
  const minute = Math.floor((secondOfDay % 3600) / 60)
  const time = `${two(hour)}:${two(minute)}:${two(secondOfDay % 60)}`
  return fraction === '' ? time : `${time}.${fraction}`
}

/**
 * `+08:00`; null for an offset with seconds (local mean time before standard time), which RFC 3339
 * cannot say.
 */
export function offsetText(offsetSeconds: number): string | null {
  if (offsetSeconds % 60 !== 0) return null
  const minutes = Math.abs(offsetSeconds) / 60
  return `${offsetSeconds < 0 ? '-' : '+'}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`
}

/**
 * RFC 3339 of an instant as it reads at that offset, in UTC where the offset itself cannot be
 * written; null where the year has no four digits.
 */
export function instantText(epochSeconds: number, fraction: string, offsetSeconds: number): string | null {
  const offset = offsetText(offsetSeconds)
  const local = epochSeconds + (offset === null ? 0 : offsetSeconds)
  const day = Math.floor(local / DAY_SECONDS)
  const date = civilDate(day)
  if (date.year < 1 || date.year > 9999) return null
  return `${dateText(date)}T${timeText(local - day * DAY_SECONDS, fraction)}${offset ?? 'Z'}`
}

const RFC3339 = /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):(\d\d))$/

/**
 * Nanoseconds since 1970 of an RFC 3339 text with offset, or null. Digits behind the ninth decimal
 * are ignored.
 */
export function parseInstant(text: string): bigint | null {
  const match = RFC3339.exec(text)
  if (match === null) return null
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number)
  if (year === undefined || month === undefined || day === undefined) return null
  if (hour === undefined || minute === undefined || second === undefined) return null
  if (!isDay(year, month, day) || hour > 23 || minute > 59 || second > 59) return null
  const offset = Number(match[9] ?? 0) * 3600 + Number(match[10] ?? 0) * 60
  const local = dayNumber(year, month, day) * DAY_SECONDS + hour * 3600 + minute * 60 + second
  const seconds = local - (match[8] === '-' ? -offset : offset)
  return BigInt(seconds) * 1_000_000_000n + BigInt((match[7] ?? '').padEnd(9, '0').slice(0, 9))
}

const DATE = /^(\d{4})-(\d\d)-(\d\d)$/

/** Days since 1970 of a `YYYY-MM-DD`, or null when it is no date. */
export function parseDate(text: string): number | null {
  const match = DATE.exec(text)
  if (match === null) return null
  const [year, month, day] = match.slice(1).map(Number)
  if (year === undefined || month === undefined || day === undefined) return null
  return isDay(year, month, day) ? dayNumber(year, month, day) : null
}

function digits(value: number, width: number): string {
  return String(value).padStart(width, '0')
}

/** Two digits, made once: dates are the most frequent thing that is written. */
const TWO_DIGITS: readonly string[] = Array.from({ length: 100 }, (_, value) => digits(value, 2))

function two(value: number): string {
  return TWO_DIGITS[value] ?? digits(value, 2)
}

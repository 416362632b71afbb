/**
 * Whether a text is a day of the calendar, YYYY-MM-DD. Stricter than what most libraries take for a date: 2026-02-29
 * does not exist, and neither does the year 0000 with which old ERPs say "none".
 */
export function isDate(text: string): boolean {
  return DATE.test(text) && isDay(text)
}

/**
 * Whether a text is an instant, RFC 3339 with its offset. Only the form with capital T and Z and up to nine decimals of
 * a second, and no 60th second: one instant must not have texts that consumers read differently, or cannot read.
 */
export function isDateTime(text: string): boolean {
  return DATE_TIME.test(text) && isDay(text)
}

/** Whether a text is an exact decimal in plain notation: no exponent, no leading zeros, no "-0". */
export function isDecimal(text: string): boolean {
  return text.length <= DECIMAL_CHARACTERS_MAX && DECIMAL.test(text)
}

const DATE = /^[0-9]{4}-[0-9]{2}-[0-9]{2}$/
const DATE_TIME =
  /^[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,9})?(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])$/
const DECIMAL = /^(?!-0(?:\.0+)?$)-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?$/
const DECIMAL_CHARACTERS_MAX = 64

/** Of a text that begins as a date does. */
function isDay(text: string): boolean {
  const year = numberAt(text, 0, 4)
  const month = numberAt(text, 5, 7)
  const day = numberAt(text, 8, 10)
  return year >= 1 && month >= 1 && month <= 12 && day >= 1 && day <= daysOf(year, month)
}

function numberAt(text: string, from: number, to: number): number {
  let number = 0
  for (let index = from; index < to; index++) number = number * 10 + text.charCodeAt(index) - ZERO
  return number
}

const ZERO = 48

function daysOf(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31
}

import { sanitise } from './sanitise.ts'

/**
 * JSON as it may be printed: the same value, with every character that could act on a terminal or hide in a line of
 * output (see `sanitise`) written as an escape of JSON. Line breaks between values stay.
 */
export function printableJson(json: string): string {
  return json.split('\n').map(printableLine).join('\n')
}

function printableLine(line: string): string {
  if (sanitise(line) === line) return line
  return Array.from(line, (sign) => (sanitise(sign) === sign ? sign : escaped(sign))).join('')
}

function escaped(sign: string): string {
  return sign
    .split('')
    .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .join('')
}

import type { Json } from '../../adapters/contract.ts'
import type { FieldType, ListType } from './field-type.ts'
import { suggestion } from './mistake.ts'
import type { CompiledRule, Compiling, Refusal } from './rule.ts'
import { compileNumber, NUMBER_KEYS } from './rule-number.ts'
import { openOptions, type RuleOptions } from './rule-options.ts'
import { refused, shown, VALUE_KEYS, valueRule } from './rule-value.ts'
import { mistakeAt, type Written, type WrittenMap } from './written.ts'

/**
 * Text as it stands; through a `table` where the ERP's codes are not ours (what is not in it
 * rejects the record, or is `otherwise`, or stays as it is with `unknown: keep`); with `mask: 4`
 * only its last four characters legible, for account numbers.
 */
export function textRule(written: WrittenMap, type: FieldType, compiling: Compiling): CompiledRule {
  const options = openOptions(
    written,
    [...VALUE_KEYS, 'strip', 'table', 'otherwise', 'unknown', 'mask'],
    compiling,
  )
  const strip = stripOf(options)
  const table = options.table('table')
  const otherwise = options.text('otherwise')
  const isKept = options.oneOf('unknown', ['keep']) !== null
  for (const name of ['otherwise', 'unknown']) {
    if (options.has(name) && !options.has('table')) options.fail(`"${name}" belongs to a "table"`)
  }
  checkClosedList(
    written,
    type,
    [...(table?.values() ?? []), ...(otherwise === null ? [] : [otherwise])],
    compiling,
  )
  const mask = options.count('mask', 0, 10)
  const whenEmpty = type.nullable ? null : undefined
  if (table === null) {
    return valueRule(options, type, (text) => (mask === null ? strip(text) : masked(text, mask)), whenEmpty)
  }
  return valueRule(
    options,
    type,
    (text, scope, field) => {
      const found = table.get(text) ?? otherwise ?? (isKept ? text : null)
      if (found !== null) return found
      return field.refuse(scope, 'CODE_UNKNOWN', `${field.name} "${shown(text)}" is not in the table`)
    },
    table.get('') ?? whenEmpty,
  )
}

/** Shows at most half of a short text, or a four-digit account would be shown whole. */
function masked(text: string, legible: number): string {
  const shownLength = Math.min(legible, Math.floor(text.length / 2))
  return `${'*'.repeat(text.length - shownLength)}${text.slice(text.length - shownLength)}`
}

/**
 * A list of texts from one field, split at `separator`, each through a `table` whose values may
 * name several; without doubles, in bytewise order.
 */
export function textsRule(written: WrittenMap, type: ListType, compiling: Compiling): CompiledRule {
  const options = openOptions(written, [...VALUE_KEYS, 'separator', 'table'], compiling)
  const separator = options.text('separator') ?? ','
  const table = options.table('table')
  const split = (text: string) =>
    text
      .split(separator)
      .map((part) => part.trim())
      .filter((part) => part !== '')
  if (separator === '') options.fail('"separator" is empty')
  if (type.of.kind !== 'string') options.fail('the elements of this list are no texts')
  checkClosedList(written, type.of, [...(table?.values() ?? [])].flatMap(split), compiling)
  return valueRule(
    options,
    type,
    (text, scope, field) => {
      const texts = new Set<string>()
      for (const part of split(text)) {
        const meaning = table === null ? part : table.get(part)
        if (meaning === undefined) {
          return field.refuse(scope, 'CODE_UNKNOWN', `${field.name} "${shown(part)}" is not in the table`)
        }
        for (const one of split(meaning)) texts.add(one)
      }
      return [...texts].sort()
    },
    type.nullable ? null : undefined,
  )
}

/** A whole number. */
export function integerRule(written: WrittenMap, type: FieldType, compiling: Compiling): CompiledRule {
  const options = openOptions(written, [...VALUE_KEYS, 'thousands', 'sign'], compiling)
  const number = compileNumber(options, compiling)
  return valueRule(options, type, (text, scope, field) => {
    const value = number(text, scope, field, null)
    if (typeof value !== 'string') return value
    const whole = Number(/^-?\d+(?=(?:\.0+)?$)/.exec(value)?.[0] ?? Number.NaN)
    return Number.isSafeInteger(whole) ? whole : refused(field, scope, text, 'is not a whole number')
  })
}

/** An exact decimal. */
export function decimalRule(written: WrittenMap, type: FieldType, compiling: Compiling): CompiledRule {
  const options = openOptions(written, [...VALUE_KEYS, ...NUMBER_KEYS], compiling)
  const number = compileNumber(options, compiling)
  return valueRule(options, type, (text, scope, field) => number(text, scope, field, null))
}

/** True or false, by the texts that the ERP uses for them. An empty field may be one of them. */
export function booleanRule(written: WrittenMap, type: FieldType, compiling: Compiling): CompiledRule {
  const options = openOptions(written, [...VALUE_KEYS, 'whenTrue', 'whenFalse'], compiling)
  const meanings = new Map<string, boolean>()
  for (const [name, value] of [
    ['whenTrue', true],
    ['whenFalse', false],
  ] as const) {
    const texts = options.texts(name)
    if (texts === null && !options.has(name)) options.fail(`"${name}" is missing: which texts mean ${value}?`)
    for (const text of texts ?? []) {
      if (meanings.get(text) === !value) options.fail(`"${text}" cannot mean both true and false`)
      meanings.set(text, value)
    }
  }
  return valueRule(
    options,
    type,
    (text, scope, field): Json | Refusal =>
      meanings.get(text) ?? refused(field, scope, text, 'is neither one of whenTrue nor of whenFalse'),
    meanings.get(''),
  )
}

/**
 * `strip: leading-zeros` takes the zeros that SAP fills numeric keys with; keys with letters have
 * none to take.
 */
export function stripOf(options: RuleOptions): (text: string) => string {
  const strip = options.oneOf('strip', ['leading-zeros'])
  return strip === null
    ? (text) => text
    : (text) => (/^\d+$/.test(text) ? text.replace(/^0+(?=\d)/, '') : text)
}

/** Values that can be seen when the file is read must be in the target's closed list. */
export function checkClosedList(
  place: Written,
  type: FieldType,
  values: readonly string[],
  compiling: Compiling,
): void {
  if (type.kind !== 'string' || type.values === undefined) return
  for (const value of values) {
    if (type.values.includes(value)) continue
    const message = `"${value}" cannot stand in this field${suggestion(value, type.values)}`
    compiling.mistakes.push(mistakeAt(place, message))
  }
}

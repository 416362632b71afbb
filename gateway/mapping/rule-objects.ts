import type { FieldType, ObjectType } from './field-type.ts'
import { typeName } from './field-type.ts'
import { suggestion } from './mistake.ts'
import {
  BROKEN,
  type CompiledRule,
  type Compiling,
  type Maker,
  Refusal,
  type Rule,
  type Target,
} from './rule.ts'
import { codeRule, statusRule } from './rule-codes.ts'
import { dateRule, dateTimeRule } from './rule-dates.ts'
import { type Enclosing, extremeRule, sumRule } from './rule-derived.ts'
import { constantRule, formulaRule } from './rule-fixed.ts'
import { listRule } from './rule-lists.ts'
import { amountRule, quantityRule } from './rule-money.ts'
import { openOptions } from './rule-options.ts'
import { booleanRule, decimalRule, integerRule, textRule, textsRule } from './rule-scalars.ts'
import { missing } from './rule-value.ts'
import { readText, whereOptional } from './source-field.ts'
import { keyRule } from './subject.ts'
import { entry, mistakeAt, mistakeAtKey, type Written, type WrittenMap } from './written.ts'

/**
 * Kinds of rules, and the kind of target that each can fill; null where the rule looks for itself.
 */
const KINDS: Readonly<Record<string, FieldType['kind'] | null>> = {
  text: 'string',
  key: 'string',
  integer: 'integer',
  boolean: 'boolean',
  date: 'date',
  'date-time': 'date-time',
  decimal: 'decimal',
  amount: 'object',
  quantity: 'object',
  code: 'object',
  status: 'object',
  object: 'object',
  list: 'list',
  texts: 'list',
  sum: null,
  earliest: null,
  latest: null,
  constant: null,
  formula: null,
}

/** Fields that the gateway adds to data by itself. */
export const ADDED_FIELDS: readonly string[] = ['company', 'changedAt', 'erpKeys']

/**
 * Compiles the targets of the event itself, or of one element of a list: the objects that derived
 * rules may look into. `given` are targets that are filled elsewhere.
 */
export function compileTargets(
  written: WrittenMap,
  type: ObjectType,
  compiling: Compiling,
  given: readonly string[] = [],
): Maker {
  const inner: Compiling = {
    ...compiling,
    rule: (rule, target, context) => compileRule(rule, target, context, type),
    fields: (fields, target, context) => compileTargets(fields, target, context),
  }
  const { early, late } = compileSlots(written, type, inner, type, given)
  return make([...early, ...late], given)
}

function compileRule(
  written: Written,
  type: FieldType,
  compiling: Compiling,
  enclosing: Enclosing,
): CompiledRule {
  const { mistakes } = compiling
  if (written.kind === 'text') return compileShort(written, type, compiling)
  if (written.kind !== 'map') {
    mistakes.push(mistakeAt(written, 'a rule is FIELD, { from: FIELD, as: TYPE } or a map of targets'))
    return BROKEN
  }
  const as = entry(written, 'as')
  if (as === null && (type.kind === 'object' || type.kind === 'map')) {
    return compileObject(written, type, compiling, enclosing)
  }
  const kind = as === null ? 'text' : as.kind === 'text' ? as.text : ''
  if (!Object.hasOwn(KINDS, kind)) {
    const near = suggestion(kind, Object.keys(KINDS))
    mistakes.push(mistakeAt(as ?? written, `there is no rule "as: ${kind}"${near}`))
    return BROKEN
  }
  const fills = KINDS[kind] ?? null
  if (fills !== null && fills !== type.kind) {
    mistakes.push(mistakeAt(as ?? written, wrongKind(kind, type)))
    return BROKEN
  }
  const within = whereOptional(written, compiling)
  if (type.kind === 'object' || type.kind === 'list') {
    const structured = compileStructured(kind, written, type, within, enclosing)
    if (structured !== null) return structured
  }
  return compileScalar(kind, written, type, within, enclosing)
}

/** `TARGET: FIELD` is text as it stands. */
function compileShort(written: Written, type: FieldType, compiling: Compiling): CompiledRule {
  if (type.kind !== 'string') {
    const message = `${wrongKind('text', type)}; write { from: FIELD, as: ${usualKind(type)} }`
    compiling.mistakes.push(mistakeAt(written, message))
    return BROKEN
  }
  const entries = new Map([['from', { key: written.place, value: written }]])
  return textRule({ kind: 'map', entries, place: written.place, path: written.path }, type, compiling)
}

function wrongKind(kind: string, type: FieldType): string {
  return `the event needs ${typeName(type)} here, which "as: ${kind}" does not give`
}

function usualKind(type: FieldType): string {
  if (type.kind !== 'object') return type.kind
  if (type.fields['currency'] !== undefined) return 'amount'
  return type.fields['unit'] === undefined ? 'code' : 'quantity'
}

const PARTS: Readonly<Record<string, readonly string[]>> = {
  amount: ['value', 'currency'],
  quantity: ['value', 'unit'],
  code: ['code'],
  status: ['code'],
}

function compileStructured(
  kind: string,
  written: WrittenMap,
  type: Extract<FieldType, { kind: 'object' | 'list' }>,
  compiling: Compiling,
  enclosing: Enclosing,
): CompiledRule | null {
  if (type.kind === 'list') {
    if (kind === 'texts') return textsRule(written, type, compiling)
    return kind === 'list' ? listRule(written, type, compiling) : null
  }
  if (PARTS[kind]?.some((part) => type.fields[part] === undefined)) {
    const parts = Object.keys(type.fields).join(', ')
    compiling.mistakes.push(mistakeAt(written, `"as: ${kind}" does not fit: the object has ${parts}`))
    return BROKEN
  }
  switch (kind) {
    case 'amount':
      return amountRule(written, type, compiling)
    case 'quantity':
      return quantityRule(written, type, compiling)
    case 'code':
      return codeRule(written, type, compiling)
    case 'status':
      return statusRule(written, type, compiling)
    case 'object':
      return presentObject(written, type, compiling, enclosing)
    default:
      return null
  }
}

function compileScalar(
  kind: string,
  written: WrittenMap,
  type: FieldType,
  compiling: Compiling,
  enclosing: Enclosing,
): CompiledRule {
  switch (kind) {
    case 'key':
      return keyRule(written, compiling)
    case 'integer':
      return integerRule(written, type, compiling)
    case 'boolean':
      return booleanRule(written, type, compiling)
    case 'date':
      return dateRule(written, type, compiling)
    case 'date-time':
      return dateTimeRule(written, type, compiling)
    case 'decimal':
      return decimalRule(written, type, compiling)
    case 'sum':
      return sumRule(written, type, compiling, enclosing)
    case 'earliest':
    case 'latest':
      return extremeRule(written, type, compiling, enclosing, kind)
    case 'constant':
      return constantRule(written, type, compiling)
    case 'formula':
      return formulaRule(written, type, compiling)
    default:
      return textRule(written, type, compiling)
  }
}

/**
 * An object that is null where a source field is empty: `{ as: object, unlessEmpty: FIELD, fields:
 * { … } }`.
 */
function presentObject(
  written: WrittenMap,
  type: ObjectType,
  compiling: Compiling,
  enclosing: Enclosing,
): CompiledRule {
  const options = openOptions(written, ['as', 'unlessEmpty', 'fields'], compiling)
  const field = options.field('unlessEmpty', true)
  const fields = options.at('fields')
  if (!type.nullable) options.fail('the event needs this object, so it cannot be left out')
  if (fields?.kind !== 'map') options.fail('"fields" is missing')
  if (field === null || fields?.kind !== 'map') return BROKEN
  const { apply, isLate } = compileObject(fields, type, compiling, enclosing)
  return {
    isLate,
    apply(scope, target) {
      const text = readText(field, scope)
      if (text === undefined) return missing(field, scope)
      if (text instanceof Refusal) return text
      return text === '' ? null : apply(scope, target)
    },
  }
}

type Slot = Readonly<{ name: string; apply: Rule }>

/** An object inside the target; its rules still look at the target around it. */
function compileObject(
  written: WrittenMap,
  type: Extract<FieldType, { kind: 'object' | 'map' }>,
  compiling: Compiling,
  enclosing: Enclosing,
): CompiledRule {
  const { early, late } = compileSlots(written, type, compiling, enclosing, [])
  return { apply: nested([...early, ...late], type.kind === 'map'), isLate: late.length > 0 }
}

/**
 * The rules of an object's fields: first those on the record, then those that look at the lists
 * made by the first.
 */
function compileSlots(
  written: WrittenMap,
  type: Extract<FieldType, { kind: 'object' | 'map' }>,
  compiling: Compiling,
  enclosing: Enclosing,
  given: readonly string[],
): Readonly<{ early: readonly Slot[]; late: readonly Slot[] }> {
  const early: Slot[] = []
  const late: Slot[] = []
  for (const [name, { value }] of written.entries) {
    const target = targetType(type, name)
    if (target === null || given.includes(name)) {
      const names = type.kind === 'object' ? Object.keys(type.fields) : []
      const message = given.includes(name)
        ? `"${name}" is added by the gateway itself`
        : `the event has no "${name}" here${suggestion(name, names)}`
      compiling.mistakes.push(mistakeAtKey(written, name, message))
      continue
    }
    const { apply, isLate } = compileRule(value, target, compiling, enclosing)
    if (isLate) late.push({ name, apply })
    else early.push({ name, apply })
  }
  reportMissing(written, type, compiling, given)
  return { early, late }
}

function targetType(type: Extract<FieldType, { kind: 'object' | 'map' }>, name: string): FieldType | null {
  if (type.kind === 'map') return { ...type.of, nullable: true }
  return Object.hasOwn(type.fields, name) ? (type.fields[name] ?? null) : null
}

function reportMissing(
  written: WrittenMap,
  type: Extract<FieldType, { kind: 'object' | 'map' }>,
  compiling: Compiling,
  given: readonly string[],
): void {
  if (type.kind === 'map') return
  for (const [name, field] of Object.entries(type.fields)) {
    if (field.nullable || given.includes(name) || written.entries.has(name)) continue
    compiling.mistakes.push(
      mistakeAt(written, `"${name}" is missing: the event needs ${typeName(field)} there`),
    )
  }
}

/**
 * An object with all its fields, of which targets begin as copies: growing one field by field costs a multiple. In the
 * order of names, in which it is hashed and published.
 */
function blankOf(slots: readonly Slot[], given: readonly string[]): Target {
  const names = [...given, ...slots.map(({ name }) => name)].sort()
  return Object.fromEntries(names.map((name) => [name, null]))
}

/** Makes the target. */
function make(slots: readonly Slot[], given: readonly string[]): Maker {
  const blank = blankOf(slots, given)
  return (scope) => {
    const target = { ...blank }
    for (const { name, apply } of slots) {
      const value = apply(scope, target)
      if (value instanceof Refusal) return value
      target[name] = value
    }
    return target
  }
}

/** A map (names by language) holds only what is there. */
function nested(slots: readonly Slot[], isMap: boolean): Rule {
  const blank = isMap ? {} : blankOf(slots, [])
  return (scope, target) => {
    const object: Target = { ...blank }
    for (const { name, apply } of slots) {
      const value = apply(scope, target)
      if (value instanceof Refusal) return value
      if (value !== null || !isMap) object[name] = value
    }
    return object
  }
}

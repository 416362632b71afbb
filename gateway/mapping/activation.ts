import type { Json } from '../../adapters/contract.ts'
import { civilDate, dateText, parseDate, parseInstant } from './calendar.ts'
import { parseDecimal } from './decimal.ts'
import type { Reads, ValueType } from './expression-check.ts'
import type { ScalarType } from './field-type.ts'

/** A date inside an expression. */
export class CalendarDate {
  readonly dayNumber: number

  constructor(dayNumber: number) {
    this.dayNumber = dayNumber
  }

  toString(): string {
    return dateText(civilDate(this.dayNumber))
  }
}

/**
 * A moment inside an expression. `text` is how it was written, since the offset is part of what
 * people read.
 */
export class Instant {
  readonly nanoseconds: bigint
  readonly text: string

  constructor(nanoseconds: bigint, text: string) {
    this.nanoseconds = nanoseconds
    this.text = text
  }

  toString(): string {
    return this.text
  }
}

/**
 * How objects of a variable are told apart by the evaluator: one class for each place in the type
 * tree.
 */
export type ObjectMaker = () => Record<string, unknown>

/**
 * Turns JSON into what the evaluator works on; undefined for what is null or absent. Throws Unfit.
 */
export type Preparer = (value: Json | undefined) => unknown

/** A value that is not what its type says: an event of a foreign writer, or a mistake of ours. */
export class Unfit extends Error {}

/**
 * Compiles the preparation of one variable. Only what the expression reads is looked at, so the
 * size of an event does not matter to a condition on one field of it.
 */
export function compilePreparer(
  type: ValueType,
  reads: Reads,
  path: string,
  makerOf: (path: string) => ObjectMaker,
): Preparer {
  if (type.kind === 'text-fields') return prepareTexts([...reads.fields.keys()], path)
  if (type.kind === 'object') {
    const fields = [...reads.fields].map(([name, read]) => {
      const field = type.fields[name]
      if (field === undefined) throw new Error(`field ${path}.${name} was read and is not in its type`)
      return { name, prepare: compilePreparer(field, read, `${path}.${name}`, makerOf) }
    })
    return prepareObject(fields, makerOf(path), path)
  }
  if (type.kind === 'map') {
    const names = [...reads.fields].map(([name, read]) => ({
      name,
      prepare: compilePreparer(type.of, read, `${path}[]`, makerOf),
    }))
    return prepareObject(names, () => ({}), path)
  }
  if (type.kind === 'list') {
    const none: Reads = { fields: new Map(), elements: null }
    const element = compilePreparer(type.of, reads.elements ?? none, `${path}[]`, makerOf)
    return (value) => {
      if (value === undefined || value === null) return undefined
      if (!Array.isArray(value)) throw new Unfit(`${path} is not a list`)
      return value.map((item) => element(item))
    }
  }
  return prepareScalar(type.kind, path)
}

function prepareTexts(names: readonly string[], path: string): Preparer {
  return (value) => {
    if (!isObject(value)) throw new Unfit(`${path} is not a record`)
    const texts: Record<string, string> = {}
    for (const name of names) {
      const text = Object.hasOwn(value, name) ? value[name] : undefined
      if (text === undefined || isList(text) || isObject(text)) continue
      texts[name] = text === null ? '' : String(text).trimEnd()
    }
    return texts
  }
}

function prepareObject(
  fields: readonly Readonly<{ name: string; prepare: Preparer }>[],
  make: ObjectMaker,
  path: string,
): Preparer {
  return (value) => {
    if (value === undefined || value === null) return undefined
    if (!isObject(value)) throw new Unfit(`${path} is not an object`)
    const made = make()
    for (const { name, prepare } of fields) made[name] = prepare(value[name])
    return made
  }
}

function prepareScalar(kind: ScalarType['kind'], path: string): Preparer {
  const convert = SCALARS[kind]
  return (value) => {
    if (value === undefined || value === null) return undefined
    const converted = convert(value)
    if (converted === null) throw new Unfit(`${path} is not ${kind === 'string' ? 'text' : `a ${kind}`}`)
    return converted
  }
}

const SCALARS: Readonly<Record<ScalarType['kind'], (value: Json) => unknown>> = {
  string: (value) => (typeof value === 'string' ? value : null),
  boolean: (value) => (typeof value === 'boolean' ? value : null),
  decimal: (value) => (typeof value === 'string' ? parseDecimal(value) : null),
  integer: (value) => {
    if (typeof value === 'number') return Number.isSafeInteger(value) ? BigInt(value) : null
    return typeof value === 'string' && /^-?\d{1,19}$/.test(value) ? BigInt(value) : null
  },
  date: (value) => {
    const day = typeof value === 'string' ? parseDate(value) : null
    return day === null ? null : new CalendarDate(day)
  },
  'date-time': (value) => {
    const nanoseconds = typeof value === 'string' ? parseInstant(value) : null
    return nanoseconds === null || typeof value !== 'string' ? null : new Instant(nanoseconds, value)
  },
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value)
}

function isObject(value: Json | undefined): value is { readonly [name: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

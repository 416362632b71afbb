import type { Json } from '../../adapters/contract.ts'
import { subjectOf } from '../identity.ts'
import { BROKEN, type CompiledRule, type Compiling, Refusal, type Scope } from './rule.ts'
import { openOptions } from './rule-options.ts'
import { empty, missing } from './rule-value.ts'
import { compileSourceField, readText, type SourceField } from './source-field.ts'
import { mistakeAt, type Written, type WrittenMap } from './written.ts'

/** The business key of a record, compiled from a mapping's `key`. */
export type Keys = Readonly<{
  /** Parts percent-encoded and joined by `/`. */
  subject(scope: Scope): string | Refusal
  /** The raw key columns by their names in the ERP. */
  erpKeys(scope: Scope): { readonly [name: string]: Json }
}>

type Part = Readonly<
  { kind: 'field'; field: SourceField; isOptional: boolean } | { kind: 'constant'; text: string }
>

/**
 * `key: [EBELN]`, or `{ from: CHARG, optional: true }` for a part that may be empty (a batch), or
 * `{ constant: supplier }` where two tables number their records apart. Two empty parts of different
 * columns stay apart, since every part keeps its place between the slashes.
 */
export function compileSubject(written: Written, compiling: Compiling): Keys {
  const items = written.kind === 'list' ? written.items : written.kind === 'text' ? [written] : []
  if (items.length === 0) {
    compiling.mistakes.push(
      mistakeAt(written, '"key" is missing: the columns of the business key, key: [EBELN]'),
    )
  }
  const parts = items.map((item) => compilePart(item, compiling)).filter((part) => part !== null)
  return {
    subject(scope) {
      const texts: string[] = []
      for (const part of parts) {
        if (part.kind === 'constant') {
          texts.push(part.text)
          continue
        }
        const { field, isOptional } = part
        const text = readText(field, scope)
        if (text === undefined) return missing(field, scope)
        if (text instanceof Refusal) return text
        if (text === '' && !isOptional) return empty(field, scope)
        if (!text.isWellFormed()) return field.refuse(scope, 'VALUE_REFUSED', `${field.name} is broken text`)
        texts.push(text)
      }
      return subjectOf(texts)
    },
    erpKeys(scope) {
      const keys: { [name: string]: Json } = {}
      for (const part of parts) {
        if (part.kind === 'constant') continue
        const { field } = part
        const text = readText(field, scope)
        keys[field.name] = typeof text === 'string' && text !== '' ? text : null
      }
      return keys
    },
  }
}

function compilePart(written: Written, compiling: Compiling): Part | null {
  if (written.kind !== 'map') {
    const field = compileSourceField(written, compiling)
    return field === null ? null : { kind: 'field', field, isOptional: false }
  }
  const options = openOptions(written, ['from', 'optional', 'constant'], compiling)
  if (options.has('constant')) {
    const text = options.text('constant') ?? ''
    if (text === '' || written.entries.size > 1) options.fail('a constant part is written { constant: TEXT }')
    return { kind: 'constant', text }
  }
  const field = options.field('from', true)
  return field === null ? null : { kind: 'field', field, isOptional: options.flag('optional') }
}

/**
 * The key of another record, `{ as: key, of: [BELNR, GJAHR] }`: written as the `key` of that
 * record's mapping, and encoded like it, or a reference would lead nowhere.
 */
export function keyRule(written: WrittenMap, compiling: Compiling): CompiledRule {
  const options = openOptions(written, ['as', 'of'], compiling)
  if (!options.has('of')) options.fail('"of" is missing: the columns of that key, of: [EBELN]')
  const of = options.at('of')
  return of === null ? BROKEN : { apply: compileSubject(of, compiling).subject, isLate: false }
}

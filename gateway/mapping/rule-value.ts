import type { Json } from '../../adapters/contract.ts'
import type { FieldType } from './field-type.ts'
import { BROKEN, type CompiledRule, Refusal, type Scope } from './rule.ts'
import type { RuleOptions } from './rule-options.ts'
import { readText, type SourceField } from './source-field.ts'

/** Options of every rule that reads a source field. */
export const VALUE_KEYS = ['as', 'from', 'optional', 'none'] as const

/** What a rule makes of a text that is there. */
export type Convert = (text: string, scope: Scope, field: SourceField) => Json | Refusal

/**
 * A rule on one source field. A field that the record lacks, or that is empty, rejects the record
 * unless the rule is `optional`; texts in `none` stand for nothing, which is null wherever the
 * event may hold one. `whenEmpty` is what an empty field means where that is no fault.
 */
export function valueRule(
  options: RuleOptions,
  type: FieldType,
  convert: Convert,
  whenEmpty?: Json,
): CompiledRule {
  const field = options.field('from', true)
  const isOptional = options.flag('optional')
  const none = options.texts('none')
  if (isOptional && !type.nullable) options.fail('the event needs a value here, so it cannot be "optional"')
  if (field === null) return BROKEN
  const nothing = none === null ? null : new Set(none)
  return {
    isLate: false,
    apply(scope) {
      const text = readText(field, scope)
      if (text === undefined) return isOptional ? null : missing(field, scope)
      if (text instanceof Refusal) return text
      if (nothing?.has(text)) return type.nullable ? null : empty(field, scope)
      if (text === '') {
        if (whenEmpty !== undefined) return whenEmpty
        return isOptional ? null : empty(field, scope)
      }
      return convert(text, scope, field)
    },
  }
}

export function missing(field: SourceField, scope: Scope): Refusal {
  return field.refuse(scope, 'FIELD_MISSING', `the record has no field ${field.name}`)
}

export function empty(field: SourceField, scope: Scope): Refusal {
  return field.refuse(scope, 'FIELD_EMPTY', `${field.name} is empty`)
}

/** `BEDAT "20260931" is not a date`. Long values are cut, since messages are read by people. */
export function refused(field: SourceField, scope: Scope, text: string, because: string): Refusal {
  return field.refuse(scope, 'VALUE_REFUSED', `${field.name} "${shown(text)}" ${because}`)
}

const SHOWN_MAX = 60

export function shown(text: string): string {
  return text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX)}…` : text
}

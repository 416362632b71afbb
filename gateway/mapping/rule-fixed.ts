import type { Json } from '../../adapters/contract.ts'
import { parseDate, parseInstant } from './calendar.ts'
import { parseDecimal } from './decimal.ts'
import type { FieldType } from './field-type.ts'
import { typeName } from './field-type.ts'
import { suggestion } from './mistake.ts'
import { scaleText } from './numeral.ts'
import { BROKEN, type CompiledRule, type Compiling, isJsonList, refuse } from './rule.ts'
import { targetOf } from './rule-codes.ts'
import { compileRowExpression } from './rule-expression.ts'
import { openOptions } from './rule-options.ts'
import { entry, mistakeAt, type Written, type WrittenMap } from './written.ts'

/** The same value in every event; visible in the mapping, which is why it may stand there. */
export function constantRule(written: WrittenMap, type: FieldType, compiling: Compiling): CompiledRule {
  openOptions(written, ['as', 'value'], compiling)
  const value = entry(written, 'value')
  if (value === null) {
    compiling.mistakes.push(mistakeAt(written, '"value" is missing; it may be null'))
    return BROKEN
  }
  const constant = constantOf(value, type, compiling)
  return { apply: () => constant, isLate: false }
}

function constantOf(written: Written, type: FieldType, compiling: Compiling): Json {
  const wrong = (message: string) => {
    compiling.mistakes.push(mistakeAt(written, message))
    return null
  }
  if (written.kind === 'null')
    return type.nullable ? null : wrong('the event needs a value here, and this is null')
  if (type.kind === 'list' && written.kind === 'list') {
    return written.items.map((item) => constantOf(item, type.of, compiling))
  }
  if ((type.kind === 'object' || type.kind === 'map') && written.kind === 'map') {
    return constantFields(written, type, compiling)
  }
  if (type.kind === 'boolean' && written.kind === 'boolean') return written.value
  if (written.kind !== 'text') return wrong(`the event needs ${typeName(type)} here`)
  const { text } = written
  switch (type.kind) {
    case 'string': {
      const isKnown = type.values === undefined || type.values.includes(text)
      return isKnown
        ? text
        : wrong(`"${text}" cannot stand in this field${suggestion(text, type.values ?? [])}`)
    }
    case 'integer':
      return Number.isSafeInteger(Number(text)) && /^-?\d+$/.test(text)
        ? Number(text)
        : wrong('this is no integer')
    case 'decimal':
      return parseDecimal(text) === null ? wrong('this is no decimal') : text
    case 'date':
      return parseDate(text) === null ? wrong('this is no date') : text
    case 'date-time':
      return parseInstant(text) === null ? wrong('this is no date-time with offset') : text
    default:
      return wrong(`the event needs ${typeName(type)} here`)
  }
}

function constantFields(
  written: WrittenMap,
  type: Extract<FieldType, { kind: 'object' | 'map' }>,
  compiling: Compiling,
): Json {
  const fields: { [name: string]: Json } = {}
  for (const [name, { value }] of written.entries) {
    const inner = type.kind === 'map' ? type.of : type.fields[name]
    if (inner === undefined) compiling.mistakes.push(mistakeAt(value, `the event has no "${name}" here`))
    else fields[name] = constantOf(value, inner, compiling)
  }
  return fields
}

/** A value computed from the row by an expression; `scale` fixes the decimals and never rounds. */
export function formulaRule(written: WrittenMap, type: FieldType, compiling: Compiling): CompiledRule {
  const options = openOptions(written, ['as', 'cel', 'scale'], compiling)
  if (!options.has('cel')) options.fail('"cel" is missing: the expression')
  const scale = options.count('scale', 0, 20)
  const expression = compileRowExpression(options.at('cel'), type.kind, compiling)
  if (expression === null) return BROKEN
  const field = targetOf(written.path)
  const { line } = options
  return {
    isLate: false,
    apply(scope) {
      const evaluated = expression.evaluate(scope)
      if (evaluated.kind === 'failed') return refuse(scope, 'FORMULA_FAILED', field, line, evaluated.reason)
      const value = typed(evaluated.value, type)
      if (scale === null || typeof value !== 'string' || type.kind !== 'decimal') return value
      const scaled = scaleText(value, scale)
      return scaled ?? refuse(scope, 'VALUE_REFUSED', field, line, `${value} has more than ${scale} decimals`)
    },
  }
}

/** Integers are text in expressions and numbers in events. */
function typed(value: Json, type: FieldType): Json {
  if (type.kind === 'integer' && typeof value === 'string') return Number(value)
  if (type.kind === 'list' && isJsonList(value)) return value.map((item) => typed(item, type.of))
  return value
}

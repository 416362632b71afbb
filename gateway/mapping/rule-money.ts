import type { Json } from '../../adapters/contract.ts'
import { isCurrencyCode } from './currency.ts'
import type { FieldType } from './field-type.ts'
import { compileNumeral } from './numeral.ts'
import { BROKEN, type CompiledRule, type Compiling, Refusal, refuse, type Scope, type Table } from './rule.ts'
import { targetOf } from './rule-codes.ts'
import { compileRowExpression } from './rule-expression.ts'
import { compileNumber, NUMBER_KEYS } from './rule-number.ts'
import { openOptions, type RuleOptions } from './rule-options.ts'
import { type Convert, empty, missing, refused, VALUE_KEYS, valueRule } from './rule-value.ts'
import { readText, type SourceField, whereOptional } from './source-field.ts'
import type { WrittenMap } from './written.ts'

/** Money: `{value, currency}`, from a field, or from an expression as `cel`. */
export function amountRule(written: WrittenMap, type: FieldType, compiling: Compiling): CompiledRule {
  const options = openOptions(
    written,
    [...VALUE_KEYS, 'cel', ...NUMBER_KEYS, 'currency', 'currencies'],
    compiling,
  )
  const number = compileNumber(options, compiling)
  const currencyOf = compileCurrency(options, compiling)
  return figureRule(options, type, compiling, (text, scope, field) => {
    const currency = currencyOf(scope)
    if (typeof currency !== 'string') return currency
    const value = number(text, scope, field, currency)
    return typeof value === 'string' ? { value, currency } : value
  })
}

/**
 * A quantity: `{value, unit}`, with `raw` where the unit is in no table, and `base` where the ERP
 * keeps it. Its value comes from a field, or from an expression as `cel`.
 */
export function quantityRule(written: WrittenMap, type: FieldType, compiling: Compiling): CompiledRule {
  const keys = [...VALUE_KEYS, 'cel', ...NUMBER_KEYS, 'unit', 'units', 'base', 'num', 'den']
  const options = openOptions(written, keys, compiling)
  const number = compileNumber(options, compiling)
  const unitOf = compileUnit(options, options.table('units'), compiling)
  const parts = compileParts(options, compiling)
  return figureRule(options, type, compiling, (text, scope, field) => {
    const unit = unitOf(scope)
    if (unit instanceof Refusal) return unit
    const value = number(text, scope, field, null)
    if (typeof value !== 'string') return value
    const quantity: { [name: string]: Json } = { value, ...unit }
    for (const { name, apply } of parts) {
      const part = apply(scope, quantity)
      if (part instanceof Refusal) return part
      quantity[name] = part
    }
    return quantity
  })
}

/** A rule on one source field, or on what an expression gives where the ERP does not keep the figure itself. */
function figureRule(
  options: RuleOptions,
  type: FieldType,
  compiling: Compiling,
  convert: Convert,
): CompiledRule {
  if (!options.has('cel')) return valueRule(options, type, convert)
  if (options.has('from'))
    options.fail('a figure comes from a field ("from") or an expression ("cel"), not both')
  const expression = compileRowExpression(options.at('cel'), 'decimal', compiling)
  if (expression === null) return BROKEN
  const { line } = options
  const name = targetOf(options.written.path)
  const computed: SourceField = {
    name,
    path: [],
    read: () => undefined,
    place: ({ prefix }) => prefix + name,
    refuse: (scope, code, reason) => refuse(scope, code, name, line, reason),
  }
  return {
    isLate: false,
    apply(scope) {
      const evaluated = expression.evaluate(scope)
      if (evaluated.kind === 'failed') return computed.refuse(scope, 'FORMULA_FAILED', evaluated.reason)
      return convert(String(evaluated.value), scope, computed)
    },
  }
}

/** The currency of an amount: a field, `{ constant: USD }`, or `{ of: company }`. */
export function compileCurrency(
  options: RuleOptions,
  compiling: Compiling,
): (scope: Scope) => string | Refusal {
  const written = options.at('currency')
  const table = options.table('currencies')
  if (written?.kind === 'map') {
    const fixed = openOptions(written, ['constant', 'of'], compiling)
    const constant = fixed.text('constant')
    const { company, companies } = compiling.source
    const ofCompany = fixed.oneOf('of', ['company']) !== null
    if (ofCompany && !Object.hasOwn(companies, company)) {
      fixed.fail('"of: company" needs a source of one company, and this one reads it from the record')
    }
    const code = constant ?? (ofCompany ? companies[company]?.currency : undefined)
    if (code === undefined || !isCurrencyCode(code)) {
      fixed.fail('the currency is written FIELD, { constant: USD } or { of: company }')
    }
    return () => code ?? ''
  }
  const field = options.field('currency', true)
  if (field === null) return () => ''
  return (scope) => currencyIn(scope, field, table)
}

function currencyIn(scope: Scope, field: SourceField, table: Table | null): string | Refusal {
  const text = readText(field, scope)
  if (text instanceof Refusal) return text
  if (text === undefined) return missing(field, scope)
  if (text === '') return empty(field, scope)
  const code = table?.get(text) ?? text
  return isCurrencyCode(code) ? code : refused(field, scope, text, 'is not a currency of ISO 4217')
}

type UnitParts = Readonly<{ unit: string; raw?: string }>

function compileUnit(
  options: RuleOptions,
  table: Table | null,
  compiling: Compiling,
): (scope: Scope) => UnitParts | Refusal {
  const written = options.at('unit')
  if (written?.kind === 'map') {
    const unit = openOptions(written, ['constant'], compiling).text('constant') ?? ''
    if (unit === '') options.fail('the unit is written FIELD or { constant: H87 }')
    return () => ({ unit })
  }
  const field = options.field('unit', true)
  if (field === null) return () => ({ unit: '' })
  return (scope) => {
    const text = readText(field, scope)
    if (text instanceof Refusal) return text
    if (text === undefined) return missing(field, scope)
    if (text === '') return empty(field, scope)
    if (table === null) return { unit: text }
    const unit = table.get(text)
    return unit === undefined ? { unit: text, raw: text } : { unit }
  }
}

/** `base`, a quantity of its own, and the fraction `num`/`den` that converts to it. */
function compileParts(options: RuleOptions, compiling: Compiling) {
  const parts: { name: string; apply: CompiledRule['apply'] }[] = []
  const base = options.at('base')
  if (base?.kind === 'map') {
    const within = whereOptional(base, compiling)
    const inner = openOptions(base, [...VALUE_KEYS, ...NUMBER_KEYS, 'unit', 'units'], within)
    const number = compileNumber(inner, within)
    const unitOf = compileUnit(inner, inner.table('units') ?? options.table('units'), within)
    const { apply } = valueRule(inner, { kind: 'decimal', nullable: true }, (text, scope, field) => {
      const unit = unitOf(scope)
      if (unit instanceof Refusal) return unit
      const value = number(text, scope, field, null)
      return typeof value === 'string' ? { value, unit: unit.unit } : value
    })
    parts.push({ name: 'base', apply })
  } else if (base !== null) options.fail('"base" is written { from: FIELD, unit: FIELD }')
  const factor = compileNumeral({ thousands: null, decimalMark: '.' })
  for (const name of ['num', 'den']) {
    const field = options.field(name, false)
    if (field === null) continue
    parts.push({
      name,
      apply(scope) {
        const text = readText(field, scope)
        if (text === undefined) return missing(field, scope)
        if (text instanceof Refusal) return text
        return factor(text) ?? refused(field, scope, text, 'is not a number')
      },
    })
  }
  return parts
}

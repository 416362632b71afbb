import type { Json } from '../../adapters/contract.ts'
import { parseInstant } from './calendar.ts'
import { add, Decimal, decimalText, parseDecimal } from './decimal.ts'
import type { FieldType } from './field-type.ts'
import { typeName } from './field-type.ts'
import { suggestion } from './mistake.ts'
import { type CompiledRule, type Compiling, isJsonList, isRow, Refusal, type Rule, refuse } from './rule.ts'
import { targetOf } from './rule-codes.ts'
import { compileCurrency } from './rule-money.ts'
import { openOptions, type RuleOptions } from './rule-options.ts'
import type { WrittenMap } from './written.ts'

/** The event, or the element of a list, whose fields a derived rule may name. */
export type Enclosing = FieldType

/**
 * An exact sum over a list of the event: `of: lines.net`, leaving out elements that are true in
 * `unless: lines.cancelled`. Amounts must be in one currency and quantities in one unit; over an
 * empty list an amount needs a `currency`.
 */
export function sumRule(
  written: WrittenMap,
  type: FieldType,
  compiling: Compiling,
  enclosing: Enclosing,
): CompiledRule {
  const options = openOptions(written, ['as', 'of', 'unless', 'currency', 'currencies'], compiling)
  const path = pathOption(options, 'of', enclosing)
  const unless = options.has('unless') ? pathOption(options, 'unless', enclosing) : null
  checkSum(options, path, unless, type)
  const currency = options.has('currency') ? compileCurrency(options, compiling) : null
  const [list = '', ...inner] = path.names
  const mark = unless === null ? null : unless.names.slice(1)
  const { line } = options
  const field = targetOf(written.path)
  const apply: Rule = (scope, target) => {
    const sum = new Sum(partName(type))
    const stated = currency === null ? null : currency(scope)
    if (stated instanceof Refusal) return stated
    if (stated !== null) sum.unit = stated
    for (const element of elements(target[list])) {
      const isLeftOut = mark !== null && valuesAt(element, mark)[0] === true
      for (const value of valuesAt(element, inner)) {
        const because = sum.take(value, isLeftOut)
        if (because !== null) return refuse(scope, 'SUM_MIXED', field, line, because)
      }
    }
    const result = sum.result()
    if (result !== null) return result
    return type.nullable
      ? null
      : refuse(
          scope,
          'SUM_EMPTY',
          field,
          line,
          `there is nothing to sum in ${list}, and the rule names no currency`,
        )
  }
  return { apply, isLate: true }
}

/** The earliest or latest of the dates in a list of the event; null when there is none. */
export function extremeRule(
  written: WrittenMap,
  type: FieldType,
  compiling: Compiling,
  enclosing: Enclosing,
  which: 'earliest' | 'latest',
): CompiledRule {
  const options = openOptions(written, ['as', 'of'], compiling)
  const path = pathOption(options, 'of', enclosing)
  if (path.type !== null && path.type.kind !== type.kind) {
    options.fail(
      `"${path.names.join('.')}" is ${typeName(path.type)}, and the event needs ${typeName(type)} here`,
    )
  }
  if (!type.nullable) options.fail('a list may be empty, and the event needs a value here')
  const wanted = which === 'earliest' ? -1 : 1
  return {
    isLate: true,
    apply(_scope, target) {
      let best: string | null = null
      for (const value of valuesAt(target, path.names)) {
        if (typeof value === 'string' && (best === null || compareMoments(value, best) === wanted))
          best = value
      }
      return best
    },
  }
}

function compareMoments(left: string, right: string): number {
  const a = parseInstant(left) ?? left
  const b = parseInstant(right) ?? right
  return a < b ? -1 : a > b ? 1 : 0
}

type TargetPath = Readonly<{ names: readonly string[]; type: FieldType | null }>

/** A path in the event, `lines.net`, through a list that stands in this object. */
function pathOption(options: RuleOptions, option: string, enclosing: Enclosing): TargetPath {
  const text = options.text(option)
  if (text === null) {
    if (!options.has(option)) options.fail(`"${option}" is missing: which field of which list?`)
    return { names: [], type: null }
  }
  const names = text.split('.')
  let type: FieldType | null = enclosing
  let lists = 0
  for (const name of names) {
    while (type?.kind === 'list') type = type.of
    const fields: Readonly<Record<string, FieldType>> = type?.kind === 'object' ? type.fields : {}
    const found: FieldType | undefined = Object.hasOwn(fields, name) ? fields[name] : undefined
    if (found === undefined) {
      options.fail(`the event has no "${name}" here${suggestion(name, Object.keys(fields))}`)
      return { names, type: null }
    }
    if (found.kind === 'list') lists++
    type = found
  }
  if (lists === 0) options.fail(`"${text}" leads through no list`)
  return { names, type }
}

function checkSum(options: RuleOptions, path: TargetPath, unless: TargetPath | null, type: FieldType): void {
  if (path.type !== null && partName(path.type) !== partName(type)) {
    options.fail(`the sum of ${typeName(path.type)} cannot be ${typeName(type)}`)
  }
  if (path.type !== null && partName(path.type) === null && path.type.kind !== 'decimal') {
    options.fail('only decimals, amounts and quantities can be summed')
  }
  if (unless === null) return
  if (unless.names[0] !== path.names[0]) options.fail('"unless" must be a field of the list that is summed')
  if (unless.type !== null && unless.type.kind !== 'boolean') options.fail('"unless" must be true or false')
}

/** The field beside `value` that all parts of a sum must share. */
function partName(type: FieldType): 'currency' | 'unit' | null {
  if (type.kind !== 'object' || type.fields['value'] === undefined) return null
  if (type.fields['currency'] !== undefined) return 'currency'
  return type.fields['unit'] === undefined ? null : 'unit'
}

class Sum {
  unit: string | null = null
  #total = new Decimal(0n, 0)
  readonly #part: 'currency' | 'unit' | null

  constructor(part: 'currency' | 'unit' | null) {
    this.#part = part
  }

  /** Adds a value, or only notes its unit; answers why it cannot be added. */
  take(value: Json, isLeftOut: boolean): string | null {
    if (value === null) return null
    const number = parseDecimal(String(isRow(value) ? value['value'] : value))
    const unit = isRow(value) && this.#part !== null ? String(value[this.#part]) : null
    if (number === null) return 'a part of the sum is not a decimal'
    if (isLeftOut) {
      this.unit ??= unit
      this.#total = add(this.#total, new Decimal(0n, number.scale))
      return null
    }
    if (this.unit !== null && unit !== null && this.unit !== unit)
      return `${this.unit} and ${unit} cannot be summed`
    this.unit = unit ?? this.unit
    this.#total = add(this.#total, number)
    return null
  }

  result(): Json {
    const value = decimalText(this.#total)
    if (this.#part === null) return value
    return this.unit === null ? null : { value, [this.#part]: this.unit }
  }
}

function elements(value: Json | undefined): readonly Json[] {
  return isJsonList(value) ? value : []
}

/** Every value at the end of a path, through all lists on the way. */
function valuesAt(value: Json | undefined, names: readonly string[]): readonly Json[] {
  if (value === undefined || value === null) return []
  if (isJsonList(value)) return value.flatMap((item) => valuesAt(item, names))
  const [name, ...rest] = names
  if (name === undefined) return [value]
  return isRow(value) ? valuesAt(value[name], rest) : []
}

import { currencyDecimals } from './currency.ts'
import { compileNumeral, negateText, scaleText, shiftText } from './numeral.ts'
import { type Compiling, Refusal, type Scope, type Table } from './rule.ts'
import { openOptions, type RuleOptions } from './rule-options.ts'
import { refused } from './rule-value.ts'
import { readText, type SourceField } from './source-field.ts'

/** Options of every rule that reads an exact number. */
export const NUMBER_KEYS = ['scale', 'shift', 'thousands', 'decimalMark', 'sign'] as const

/** Reads a number's text to our notation; `currency` is known for amounts. */
export type ReadNumber = (
  text: string,
  scope: Scope,
  field: SourceField,
  currency: string | null,
) => string | Refusal

const SCALE_MAX = 20

/**
 * Compiles the options of a number: `scale` decimals as the source keeps them (or `currency`: as
 * many as the currency has), more than those reject the record and are never rounded; `shift`
 * places to the right afterwards, a number or a table by currency; `thousands` and `decimalMark` as
 * the source writes them; `sign` in a field of its own.
 */
export function compileNumber(options: RuleOptions, compiling: Compiling): ReadNumber {
  const numeral = compileNumeral({
    thousands: options.text('thousands'),
    decimalMark: options.oneOf('decimalMark', ['.', ',']) ?? '.',
  })
  if (options.text('thousands') === (options.text('decimalMark') ?? '.')) {
    options.fail('"thousands" and "decimalMark" cannot be the same')
  }
  const adjust = compileAdjustment(options)
  const sign = compileSign(options, compiling)
  return (text, scope, field, currency) => {
    const plain = numeral(text)
    if (plain === null) return refused(field, scope, text, 'is not a number')
    const adjusted = adjust(plain, currency)
    if (adjusted === null) return refused(field, scope, text, 'has more decimals than the rule allows')
    return sign === null ? adjusted : sign(adjusted, scope)
  }
}

type Adjust = (text: string, currency: string | null) => string | null

function compileAdjustment(options: RuleOptions): Adjust {
  const isByCurrency = options.at('scale')?.kind === 'text' && options.text('scale') === 'currency'
  const scale = isByCurrency ? null : options.count('scale', 0, SCALE_MAX)
  const shift = compileShift(options)
  if (isByCurrency) {
    return (text, currency) =>
      scaleText(shiftText(text, shift(currency)), currency === null ? 0 : currencyDecimals(currency))
  }
  if (scale === null) return (text, currency) => shiftText(text, shift(currency))
  return (text, currency) => {
    const scaled = scaleText(text, scale)
    if (scaled === null) return null
    const places = shift(currency)
    return places === 0 ? scaled : scaleText(shiftText(scaled, places), Math.max(0, scale - places))
  }
}

const SHIFT_MAX = 10

function compileShift(options: RuleOptions): (currency: string | null) => number {
  const written = options.at('shift')
  if (written === null) return () => 0
  if (written.kind === 'text' && /^-?\d+$/.test(written.text)) {
    const places = options.count('shift', -SHIFT_MAX, SHIFT_MAX) ?? 0
    return () => places
  }
  const places = shiftTable(options, options.table('shift'))
  return (currency) => (currency === null ? 0 : (places.get(currency) ?? 0))
}

function shiftTable(options: RuleOptions, table: Table | null): ReadonlyMap<string, number> {
  const places = new Map<string, number>()
  for (const [currency, text] of table ?? []) {
    const count = /^-?\d{1,2}$/.test(text) ? Number(text) : Number.NaN
    if (!(Math.abs(count) <= SHIFT_MAX))
      options.fail(`the shift of ${currency} is "${text}" and must be a whole number`)
    places.set(currency, count)
  }
  return places
}

/**
 * `sign: { from: SHKZG, negative: [H], positive: [S] }` for amounts that are stored without theirs;
 * `sign: drop` where it only says a direction that another target holds.
 */
function compileSign(options: RuleOptions, compiling: Compiling) {
  const written = options.at('sign')
  if (written === null) return null
  if (written.kind === 'text' && written.text === 'drop')
    return (value: string) => (value.startsWith('-') ? negateText(value) : value)
  if (written.kind !== 'map')
    return options.fail('"sign" is written { from: FIELD, negative: [H], positive: [S] }, or drop')
  const inner = openOptions(written, ['from', 'negative', 'positive'], compiling)
  const field = inner.field('from', true)
  const negative = new Set(inner.texts('negative') ?? [])
  const positive = new Set(inner.texts('positive') ?? [])
  if (negative.size === 0 || positive.size === 0)
    inner.fail('"sign" needs the texts for "negative" and "positive"')
  if (field === null) return null
  return (value: string, scope: Scope): string | Refusal => {
    const text = readText(field, scope)
    if (text instanceof Refusal) return text
    if (text !== undefined && negative.has(text)) return negateText(value)
    if (text !== undefined && positive.has(text)) return value
    return field.refuse(scope, 'CODE_UNKNOWN', `${field.name} "${text ?? ''}" is no sign`)
  }
}

import { CalendarDate, Instant } from './activation.ts'
import { civilDate, dateText, parseDate, parseInstant } from './calendar.ts'
import { currencyDecimals } from './currency.ts'
import {
  add,
  compare,
  Decimal,
  divide,
  integerDecimal,
  multiply,
  negate,
  parseDecimal,
  round,
} from './decimal.ts'
import type { FieldType } from './field-type.ts'

/** Why a function of ours gave no value, for the failed evaluation. */
export class Refused extends Error {}

type Operand = Decimal | CalendarDate | Instant | bigint | string

/** The evaluator's name of a type; objects are named by their place. */
export function celType(type: FieldType, path: string): string {
  switch (type.kind) {
    case 'object':
      return path.replaceAll('[]', '.item')
    case 'map':
      return `map<string, ${celType(type.of, `${path}[]`)}>`
    case 'list':
      return `list<${celType(type.of, `${path}[]`)}>`
    case 'string':
      return 'string'
    case 'boolean':
      return 'bool'
    case 'integer':
      return 'int'
    case 'decimal':
      return 'Decimal'
    case 'date':
      return 'CalendarDate'
    case 'date-time':
      return 'Instant'
  }
}

type CelOperator = Readonly<{ signature: string; apply(left: Operand, right: Operand): unknown }>

/**
 * Operators of our own types: exact, and with integers and the texts of moments on the other side.
 */
export function celOperators(): readonly CelOperator[] {
  return [
    ...ordered('Decimal', 'Decimal', (left, right) => compare(decimal(left), decimal(right))),
    ...ordered('Decimal', 'int', (left, right) => compare(decimal(left), decimal(right))),
    ...ordered('CalendarDate', 'CalendarDate', (left, right) => day(left) - day(right)),
    ...ordered('CalendarDate', 'string', (left, right) => day(left) - day(right)),
    ...ordered('Instant', 'Instant', compareInstants),
    ...ordered('Instant', 'string', compareInstants),
    ...numeric('+', (left, right) => add(left, right)),
    ...numeric('-', (left, right) => add(left, negate(right))),
    ...numeric('*', (left, right) => multiply(left, right)),
    { signature: '-Decimal', apply: (value) => negate(decimal(value)) },
    { signature: 'CalendarDate - CalendarDate: int', apply: (left, right) => BigInt(day(left) - day(right)) },
    { signature: 'CalendarDate + int: CalendarDate', apply: (left, right) => moved(left, days(right)) },
    { signature: 'CalendarDate - int: CalendarDate', apply: (left, right) => moved(left, -days(right)) },
  ]
}

type CelFunction = Readonly<{ signature: string; apply(...operands: readonly Operand[]): unknown }>

export function celFunctions(): readonly CelFunction[] {
  return [
    { signature: 'decimal(string): Decimal', apply: (value) => decimal(value) },
    { signature: 'decimal(int): Decimal', apply: (value) => decimal(value) },
    { signature: 'decimal(Decimal): Decimal', apply: (value) => value },
    { signature: 'date(string): CalendarDate', apply: (value) => new CalendarDate(day(value)) },
    { signature: 'date(CalendarDate): CalendarDate', apply: (value) => value },
    { signature: 'instant(string): Instant', apply: (value) => new Instant(instant(value), String(value)) },
    { signature: 'instant(Instant): Instant', apply: (value) => value },
    { signature: 'string(Decimal): string', apply: String },
    { signature: 'string(CalendarDate): string', apply: String },
    { signature: 'string(Instant): string', apply: String },
    { signature: 'abs(Decimal): Decimal', apply: (value) => absolute(decimal(value)) },
    {
      signature: 'round(Decimal, int): Decimal',
      apply: (value, places) => round(decimal(value), scale(places)),
    },
    {
      signature: 'currencyDecimals(string): int',
      apply: (currency) => BigInt(currencyDecimals(String(currency))),
    },
    ...['Decimal, Decimal', 'Decimal, int', 'int, Decimal', 'int, int'].map((types) => ({
      signature: `divide(${types}, int): Decimal`,
      apply: divided,
    })),
  ]
}

function ordered(
  left: string,
  right: string,
  order: (left: Operand, right: Operand) => number,
): readonly CelOperator[] {
  const tests = [
    ['<', (value: number) => value < 0],
    ['<=', (value: number) => value <= 0],
    ['>', (value: number) => value > 0],
    ['>=', (value: number) => value >= 0],
  ] as const
  const both =
    left === right
      ? [[left, right]]
      : [
          [left, right],
          [right, left],
        ]
  return [
    // The evaluator derives != and the mirrored pair from == by itself.
    { signature: `${left} == ${right}`, apply: (a, b) => order(a, b) === 0 },
    ...both.flatMap(([a, b]) =>
      tests.map(([sign, holds]) => ({
        signature: `${a} ${sign} ${b}`,
        apply: (x: Operand, y: Operand) => holds(order(x, y)),
      })),
    ),
  ]
}

function numeric(sign: string, apply: (left: Decimal, right: Decimal) => Decimal): readonly CelOperator[] {
  return ['Decimal _ Decimal', 'Decimal _ int', 'int _ Decimal'].map((types) => ({
    signature: `${types.replace('_', sign)}: Decimal`,
    apply: (left, right) => apply(decimal(left), decimal(right)),
  }))
}

function decimal(value: Operand | undefined): Decimal {
  if (value instanceof Decimal) return value
  if (typeof value === 'bigint') return integerDecimal(value)
  const parsed = typeof value === 'string' ? parseDecimal(value.trim()) : null
  if (parsed === null) throw new Refused(`"${String(value)}" is not a decimal number`)
  return parsed
}

function day(value: Operand | undefined): number {
  if (value instanceof CalendarDate) return value.dayNumber
  const parsed = typeof value === 'string' ? parseDate(value) : null
  if (parsed === null) throw new Refused(`"${String(value)}" is not a date`)
  return parsed
}

function instant(value: Operand | undefined): bigint {
  if (value instanceof Instant) return value.nanoseconds
  const parsed = typeof value === 'string' ? parseInstant(value) : null
  if (parsed === null) throw new Refused(`"${String(value)}" is not an instant`)
  return parsed
}

function compareInstants(left: Operand, right: Operand): number {
  const a = instant(left)
  const b = instant(right)
  return a < b ? -1 : a > b ? 1 : 0
}

const DAYS_MAX = 1_000_000n

function days(value: Operand): number {
  if (typeof value !== 'bigint' || value > DAYS_MAX || value < -DAYS_MAX) throw new Refused('too many days')
  return Number(value)
}

function moved(value: Operand, by: number): CalendarDate {
  const target = day(value) + by
  if (parseDate(dateText(civilDate(target))) === null) throw new Refused('the date is out of the calendar')
  return new CalendarDate(target)
}

function absolute(value: Decimal): Decimal {
  return value.units < 0n ? negate(value) : value
}

const SCALE_MAX = 30n

function scale(value: Operand | undefined): number {
  if (typeof value === 'bigint' && value >= 0n && value <= SCALE_MAX) return Number(value)
  throw new Refused(`decimals are counted from 0 to ${SCALE_MAX}`)
}

function divided(left?: Operand, right?: Operand, places?: Operand): Decimal {
  const quotient = divide(decimal(left), decimal(right), scale(places))
  if (quotient === null) throw new Refused('a division by zero')
  return quotient
}

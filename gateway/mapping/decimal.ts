/**
 * Exact decimal numbers: whole units and a scale, so 10.50 is 1050 with scale 2. No operation
 * rounds unless its name says so, and none passes through a float.
 */
export class Decimal {
  readonly units: bigint
  /** Digits after the point; never negative. */
  readonly scale: number

  constructor(units: bigint, scale: number) {
    this.units = units
    this.scale = scale
  }

  toString(): string {
    return decimalText(this)
  }
}

/**
 * Longer numbers are refused: no ERP has them, and arithmetic on megabytes of digits would be an
 * attack.
 */
const DECIMAL_DIGITS_MAX = 60

const PLAIN = /^([+-]?)(\d*)(?:\.(\d*))?$/

/**
 * Reads `1234.50`, `-3`, `+3`, `.0000`, `5.`; null for anything else. Signs behind the number,
 * thousands separators and decimal commas are habits of a source: its mapping declares them and
 * normalises before.
 */
export function parseDecimal(text: string): Decimal | null {
  if (text.length > DECIMAL_DIGITS_MAX + 2) return null
  const match = PLAIN.exec(text)
  if (match === null) return null
  const whole = match[2] ?? ''
  const fraction = match[3] ?? ''
  if (whole === '' && fraction === '') return null
  const units = BigInt(whole + fraction)
  return new Decimal(match[1] === '-' ? -units : units, fraction.length)
}

export function integerDecimal(value: bigint): Decimal {
  return new Decimal(value, 0)
}

/** Plain notation with exactly `scale` decimals; zero has no sign. */
export function decimalText({ units, scale }: Decimal): string {
  const negative = units < 0n
  const digits = (negative ? -units : units).toString().padStart(scale + 1, '0')
  const whole = digits.slice(0, digits.length - scale)
  const text = scale === 0 ? whole : `${whole}.${digits.slice(digits.length - scale)}`
  return negative ? `-${text}` : text
}

/** The same value with `scale` decimals, or null when digits other than zero would be lost. */
export function withScale(value: Decimal, scale: number): Decimal | null {
  if (scale >= value.scale) return new Decimal(value.units * power(scale - value.scale), scale)
  const divisor = power(value.scale - scale)
  return value.units % divisor === 0n ? new Decimal(value.units / divisor, scale) : null
}

/** Moves the point `places` to the right (to the left when negative): 123.45 by 2 is 12345. */
export function shifted(value: Decimal, places: number): Decimal {
  const scale = value.scale - places
  return scale >= 0 ? new Decimal(value.units, scale) : new Decimal(value.units * power(-scale), 0)
}

export function add(left: Decimal, right: Decimal): Decimal {
  const scale = Math.max(left.scale, right.scale)
  return new Decimal(unitsAt(left, scale) + unitsAt(right, scale), scale)
}

export function negate(value: Decimal): Decimal {
  return new Decimal(-value.units, value.scale)
}

export function multiply(left: Decimal, right: Decimal): Decimal {
  return new Decimal(left.units * right.units, left.scale + right.scale)
}

/** Negative, zero or positive; 1.0 and 1.00 are equal. */
export function compare(left: Decimal, right: Decimal): number {
  const scale = Math.max(left.scale, right.scale)
  const a = unitsAt(left, scale)
  const b = unitsAt(right, scale)
  return a < b ? -1 : a > b ? 1 : 0
}

/** Half away from zero, as invoices are rounded. */
export function round(value: Decimal, scale: number): Decimal {
  if (scale >= value.scale) return new Decimal(value.units * power(scale - value.scale), scale)
  return new Decimal(dividedHalfUp(value.units, power(value.scale - scale)), scale)
}

/** The quotient with `scale` decimals, rounded half away from zero; null when divided by zero. */
export function divide(left: Decimal, right: Decimal, scale: number): Decimal | null {
  if (right.units === 0n) return null
  const by = scale + right.scale - left.scale
  const numerator = by >= 0 ? left.units * power(by) : left.units
  const denominator = by >= 0 ? right.units : right.units * power(-by)
  return new Decimal(dividedHalfUp(numerator, denominator), scale)
}

function dividedHalfUp(numerator: bigint, denominator: bigint): bigint {
  const negative = numerator < 0n !== denominator < 0n
  const top = numerator < 0n ? -numerator : numerator
  const bottom = denominator < 0n ? -denominator : denominator
  const quotient = (top * 2n + bottom) / (bottom * 2n)
  return negative ? -quotient : quotient
}

function unitsAt(value: Decimal, scale: number): bigint {
  return scale === value.scale ? value.units : value.units * power(scale - value.scale)
}

const POWERS: readonly bigint[] = Array.from({ length: 31 }, (_, exponent) => 10n ** BigInt(exponent))

function power(exponent: number): bigint {
  return POWERS[exponent] ?? 10n ** BigInt(exponent)
}

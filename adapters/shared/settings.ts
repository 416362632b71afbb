import { z } from 'zod'
import type { SecretReference } from '../contract.ts'

/**
 * Building blocks for strict settings, shared by the adapters and by the config of the gateway. The YAML reader hands
 * every scalar over as text (`0100` keeps its zero), so numbers, durations and sizes are texts here that are turned
 * into what they mean. Each block gives one issue with a sentence for a person, and exports to JSON Schema (with
 * `io: 'input'`) as what an editor should see.
 */

/** Plain `true` or `false`; the YAML reader makes booleans of these two words alone. */
export function flag(): z.ZodBoolean {
  return z.boolean({ error: 'must be true or false' })
}

/** Text that is not empty. */
export function text(): z.ZodString {
  return z.string({ error: 'must be text' }).min(1, { error: 'must not be empty' })
}

/** A whole number written with digits only, within bounds. Output: a JS number. */
export function integer(bounds: Readonly<{ min: number; max: number }>) {
  const { min, max } = bounds
  return z
    .string({ error: `must be a whole number from ${min} to ${max}` })
    .transform((written, context) => {
      const value = /^(0|[1-9][0-9]{0,15})$/.test(written) ? Number(written) : Number.NaN
      if (value >= min && value <= max) return value
      return refuse(context, `must be a whole number from ${min} to ${max}, not "${written}"`)
    })
    .meta({ type: 'integer', minimum: min, maximum: max })
}

const DURATION_UNITS_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** `500ms 10s 5m 8h 30d`. Output: whole milliseconds. */
export function duration(
  bounds: Readonly<{ minMs?: number; maxMs?: number }> = {},
): z.ZodType<number, string> {
  const { minMs = 0, maxMs = 3650 * DURATION_UNITS_MS.d } = bounds
  return z
    .string({ error: 'must be a duration like 500ms, 10s, 5m, 8h or 30d' })
    .transform((written, context) => {
      const value = parseDuration(written)
      if (value === null)
        return refuse(context, `must be a duration like 500ms, 10s, 5m, 8h or 30d, not "${written}"`)
      if (value < minMs) return refuse(context, `must be at least ${formatDuration(minMs)}, not ${written}`)
      if (value > maxMs) return refuse(context, `must be at most ${formatDuration(maxMs)}, not ${written}`)
      return value
    })
    .meta({ pattern: '^[0-9]+(ms|s|m|h|d)$', examples: ['10s', '5m'] })
}

/** Milliseconds of a written duration, or null. */
export function parseDuration(written: string): number | null {
  const match = /^([0-9]{1,12})(ms|s|m|h|d)$/.exec(written)
  const unit = match?.[2] as keyof typeof DURATION_UNITS_MS | undefined
  return match?.[1] === undefined || unit === undefined ? null : Number(match[1]) * DURATION_UNITS_MS[unit]
}

/** The shortest way to write so many milliseconds: 90000 is `90s`, 86400000 is `1d`. */
export function formatDuration(ms: number): string {
  for (const unit of ['d', 'h', 'm', 's'] as const) {
    if (ms >= DURATION_UNITS_MS[unit] && ms % DURATION_UNITS_MS[unit] === 0)
      return `${ms / DURATION_UNITS_MS[unit]}${unit}`
  }
  return `${ms}ms`
}

const SIZE_UNITS = { B: 1, kB: 1000, MB: 1_000_000, GB: 1_000_000_000, TB: 1_000_000_000_000 } as const

/** `512B 64kB 20MB 20GB 1TB`, decimal units as disks are sold. Output: bytes. */
export function size(
  bounds: Readonly<{ minBytes?: number; maxBytes?: number }> = {},
): z.ZodType<number, string> {
  const { minBytes = 0, maxBytes = Number.MAX_SAFE_INTEGER } = bounds
  return z
    .string({ error: 'must be a size like 64kB, 20MB or 20GB' })
    .transform((written, context) => {
      const match = /^([0-9]{1,12})(B|kB|MB|GB|TB)$/.exec(written)
      const unit = match?.[2] as keyof typeof SIZE_UNITS | undefined
      if (match?.[1] === undefined || unit === undefined)
        return refuse(context, `must be a size like 64kB, 20MB or 20GB, not "${written}"`)
      const bytes = Number(match[1]) * SIZE_UNITS[unit]
      if (bytes < minBytes) return refuse(context, `must be at least ${formatSize(minBytes)}, not ${written}`)
      if (bytes > maxBytes) return refuse(context, `must be at most ${formatSize(maxBytes)}, not ${written}`)
      return bytes
    })
    .meta({ pattern: '^[0-9]+(B|kB|MB|GB|TB)$', examples: ['20GB'] })
}

/** The shortest way to write so many bytes: 100000000 is `100MB`. */
function formatSize(bytes: number): string {
  for (const unit of ['TB', 'GB', 'MB', 'kB'] as const) {
    if (bytes >= SIZE_UNITS[unit] && bytes % SIZE_UNITS[unit] === 0)
      return `${bytes / SIZE_UNITS[unit]}${unit}`
  }
  return `${bytes}B`
}

/** `0% 0.5% 100%`. Output: the number of percent; a setting, never an amount, so a JS number is right. */
export function percent(): z.ZodType<number, string> {
  return z
    .string({ error: 'must be a percentage like 1% or 0.5%' })
    .transform((written, context) => {
      const match = /^([0-9]{1,3}(\.[0-9]{1,3})?)%$/.exec(written)
      const value = match?.[1] === undefined ? Number.NaN : Number(match[1])
      if (value >= 0 && value <= 100) return value
      return refuse(context, `must be a percentage from 0% to 100%, like 1% or 0.5%, not "${written}"`)
    })
    .meta({ pattern: '^[0-9]{1,3}(\\.[0-9]{1,3})?%$', examples: ['1%'] })
}

/** A name of ours: lower-case letters, digits and single hyphens, beginning with a letter or digit. */
export function name(): z.ZodString {
  return z
    .string({ error: 'must be a name in kebab-case' })
    .regex(/^[a-z0-9]+(-[a-z0-9]+)*$/, {
      error: 'must be in kebab-case: lower-case letters, digits and hyphens, like purchase-orders',
    })
    .max(64, { error: 'must have at most 64 characters' })
}

/** A reference to a secret, `env:NAME` or `file:/path`, marked `secret` in the JSON Schema. Never the secret itself. */
export function secretReference(): z.ZodType<SecretReference, string> {
  return z
    .string({ error: 'must be a reference to a secret, env:NAME or file:/path' })
    .transform((written, context) => {
      // The text is not repeated in the message: it may be the secret itself, put where the reference belongs.
      if (/^env:[A-Za-z_][A-Za-z0-9_]*$/.test(written) || /^file:.+$/.test(written))
        return written as SecretReference
      return refuse(
        context,
        'must be a reference, env:NAME or file:/path; the secret itself never stands here',
      )
    })
    .meta({ secret: true, pattern: '^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)$' })
}

/** A host name or address without scheme, port or path. */
export function host(): z.ZodString {
  return text().regex(/^[A-Za-z0-9._:-]+$/, { error: 'must be a host name or an address, nothing else' })
}

/**
 * A path of a file or folder, marked `path` in the JSON Schema. In a `connection` the gateway makes it absolute: a
 * relative one starts from the folder of the config, like `data` and `mappings`.
 */
export function path(): z.ZodString {
  return text().meta({ path: true })
}

/** An IANA time zone that this runtime knows, like Asia/Shanghai. */
export function zone(): z.ZodType<string, string> {
  return z.string({ error: 'must be a time zone like Asia/Shanghai' }).refine(isZone, {
    error: 'must be a time zone like Asia/Shanghai',
  })
}

function isZone(written: string): boolean {
  try {
    return (
      /^[A-Za-z]/.test(written) && new Intl.DateTimeFormat('en', { timeZone: written }).format(0).length > 0
    )
  } catch {
    return false
  }
}

function refuse(context: z.RefinementCtx, message: string): never {
  context.addIssue({ code: 'custom', message })
  return z.NEVER
}

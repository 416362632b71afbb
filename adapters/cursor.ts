import type { z } from 'zod'
import type { Cursor } from './contract.ts'
import { AdapterError } from './errors.ts'

/** Turns an adapter's own resume point into a stored cursor and back. */
export type CursorCodec<Value> = Readonly<{
  encode(value: Value): Cursor
  /** Throws ADAPTER_CURSOR_STALE when the text was written by another kind or an unknown version. */
  decode(cursor: Cursor): Value
}>

/**
 * A typed, versioned cursor. `kind` and `version` are stored with it: a cursor of another strategy or of an older
 * format is refused instead of being read as something that it is not.
 */
export function defineCursor<Shape extends z.ZodType>(
  options: Readonly<{ kind: string; version: number; shape: Shape }>,
): CursorCodec<z.output<Shape>> {
  const { kind, version, shape } = options
  return {
    encode: (value) => JSON.stringify({ kind, version, at: value }) as Cursor,
    decode(cursor) {
      const stale = (why: string) =>
        new AdapterError(
          'ADAPTER_CURSOR_STALE',
          `The stored cursor ${why}; run \`erpgw resync\` to choose where to start again.`,
          { details: { expectedKind: kind, expectedVersion: version } },
        )
      const stored = parseEnvelope(cursor)
      if (stored === null) throw stale('is not readable')
      if (stored.kind !== kind) throw stale(`was written for "${stored.kind}", not for "${kind}"`)
      if (stored.version !== version) throw stale(`has format ${stored.version}, not ${version}`)
      const parsed = shape.safeParse(stored.at)
      if (!parsed.success) throw stale('does not hold what this version expects')
      return parsed.data
    },
  }
}

type Envelope = Readonly<{ kind: string; version: number; at: unknown }>

function parseEnvelope(cursor: Cursor): Envelope | null {
  try {
    const value: unknown = JSON.parse(cursor)
    if (typeof value !== 'object' || value === null) return null
    const { kind, version, at } = value as Partial<Envelope>
    return typeof kind === 'string' && typeof version === 'number' ? { kind, version, at } : null
  } catch {
    return null
  }
}

/**
 * A composite source key as one text: parts are percent-encoded where they hold `/` or `%`, and joined by `/`.
 * The same rule builds the subject of an event.
 */
export function joinKey(parts: readonly string[]): string {
  return parts.map((part) => part.replace(/[%/]/g, (c) => (c === '%' ? '%25' : '%2F'))).join('/')
}

/** The parts of a key that `joinKey` built. */
export function splitKey(key: string): string[] {
  return key.split('/').map((part) => part.replace(/%2F/g, '/').replace(/%25/g, '%'))
}

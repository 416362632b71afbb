import { AdapterError } from '../../adapters/errors.ts'
import type { Mapping } from '../mapping/mapping.ts'
import { missingFields } from '../mapping/missing-fields.ts'
import type { Mistake } from '../mapping/mistake.ts'
import type { SourceConnection } from './connection.ts'

/** Whether a source can be read, and, by feed, what its mapping reads that the source does not have. */
export type SourceCheck = Readonly<
  | {
      ok: true
      warnings: readonly string[]
      notes: readonly string[]
      missing: Readonly<Record<string, readonly Mistake[]>>
    }
  | { ok: false; reason: string }
>

/** Asks the adapter, then compares the fields that it finds with those that the mappings read. Changes nothing. */
export async function checkSource(
  mappings: ReadonlyMap<string, Mapping>,
  connection: SourceConnection,
  signal: AbortSignal,
): Promise<SourceCheck> {
  try {
    const check = await connection.turn('check', signal, (session, inner) => session.check(inner))
    if (!check.ok) return check
    const shapes = await connection.turn('discover', signal, (session, inner) => session.discover(inner))
    const missing = shapes.map(({ name, fields }): [string, readonly Mistake[]] => {
      const mapping = mappings.get(name)
      return [name, mapping === undefined ? [] : missingFields(mapping, fields)]
    })
    const { warnings = [], notes = [] } = check
    return { ok: true, warnings, notes, missing: Object.fromEntries(missing) }
  } catch (error) {
    if (error instanceof AdapterError) return { ok: false, reason: error.message }
    throw error
  }
}

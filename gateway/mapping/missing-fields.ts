import type { FeedShape } from '../../adapters/contract.ts'
import type { FieldPath, Mapping } from './mapping.ts'
import { inFileOrder, type Mistake, suggestion } from './mistake.ts'

/**
 * What a mapping reads and its source does not have, each with the nearest field that there is. A field that the mapping
 * can do without is never among them; nor is anything where the source does not describe its fields.
 */
export function missingFields(
  { reads }: Pick<Mapping, 'reads'>,
  fields: FeedShape['fields'],
): readonly Mistake[] {
  const names = Object.keys(fields)
  if (names.length === 0) return []
  const isThere = (path: FieldPath) => missingIn(path, names) === null
  return inFileOrder(
    reads.flatMap(({ path, given, at }) => {
      const missing = given.every(isThere) ? missingIn(path, names) : null
      if (missing === null) return []
      const name = missing.at(-1) ?? ''
      const near = suggestion(name, fieldsOf(missing.slice(0, -1), names))
      return [{ ...at, message: `the source has no field "${textOf(missing)}"${near}` }]
    }),
  )
}

/** The first part of a path that is not described; null where all is, or lies inside a field of which nobody knows more. */
function missingIn(path: FieldPath, names: readonly string[]): FieldPath | null {
  for (const [index] of path.entries()) {
    const part = path.slice(0, index + 1)
    if (names.includes(textOf(part))) return null
    if (!names.some((name) => name.startsWith(`${textOf(part)}.`))) return part
  }
  return null
}

/** Names of the fields directly inside a list or group, or of the record for an empty path. */
function fieldsOf(path: FieldPath, names: readonly string[]): readonly string[] {
  const before = path.length === 0 ? '' : `${textOf(path)}.`
  const inside = names.filter((name) => name.startsWith(before)).map((name) => name.slice(before.length))
  return [...new Set(inside.map((name) => name.split('.')[0] ?? name))]
}

/** As adapters name the field of a line: `lines.quantity`. */
function textOf(path: FieldPath): string {
  return path.join('.')
}

import { AdapterError } from '../errors.ts'
import { notNull } from './keyset.ts'
import type { LinesPlan, Plan, Relation } from './plan.ts'
import { placesOf, typeAt } from './plan.ts'
import type { Feed, Overlap, RisingCursor } from './settings.ts'
import { usualOverlap } from './settings.ts'
import type { Dialect, Row } from './transport.ts'

/**
 * A part of a round: rows of one relation in one order. `rising` ones go by the cursor columns. `nulls` are the rows
 * in which one of these is null; they cannot be placed, so all of them are read in every round. `keyless` rows have
 * no key and are reported as unreadable. A stage of lines brings the headers of the lines that it finds.
 */
export type Stage = Readonly<{
  name: string
  kind: 'rising' | 'nulls' | 'keyless'
  relation: Relation
  cursor: readonly number[]
  key: readonly number[]
  lines: LinesPlan | null
}>

/** The stages of a round in their order. */
export function stagesOf(plan: Plan, feed: Feed, cursor: RisingCursor): readonly Stage[] {
  const { header, key } = plan
  const places = placesOf(header, cursor.columns)
  const overlap = overlapOf(plan, cursor)
  assertCursorType(plan.dialect, header, places, overlap)
  const stages: Stage[] = withNulls(plan.dialect, {
    name: 'changed',
    kind: 'rising',
    relation: header,
    cursor: places,
    key,
    lines: null,
  })
  for (const lines of plan.lines) {
    if (lines.settings.cursor === undefined) continue
    const { relation } = lines
    const own = placesOf(relation, lines.settings.cursor.columns)
    assertCursorType(plan.dialect, relation, own, overlap)
    const name = `lines:${lines.settings.name}`
    const ownKey = placesOf(relation, lines.settings.key)
    stages.push(
      ...withNulls(plan.dialect, { name, kind: 'rising', relation, cursor: own, key: ownKey, lines }),
    )
  }
  return feed.key.every((column) => header.neverNull.has(column)) ? stages : [...stages, keyless(plan)]
}

/** How far rounds look back: as the settings say, or as the first cursor column asks for. */
export function overlapOf({ dialect, header }: Plan, cursor: RisingCursor): Overlap {
  // Below the oldest open transaction nothing is committed late.
  if (cursor.strategy === 'commit-ordered') return [{ reach: { kind: 'numbers', count: '0' }, everyMs: 0 }]
  const [first = 0] = placesOf(header, cursor.columns)
  return cursor.overlap ?? usualOverlap(dialect.cursorType(typeAt(header, first)) === 'number')
}

/** Rows without a key: each is unreadable, and found anew in every round. */
export function keyless(plan: Plan): Stage {
  return { name: 'keyless', kind: 'keyless', relation: plan.header, cursor: [], key: plan.key, lines: null }
}

/** Every value there; a null among them would be a mistake of ours. */
export function present(row: Row): readonly string[] {
  return row.map((value) => {
    if (value === null) throw new Error('A column that the query keeps from being null is null.')
    return value
  })
}

function withNulls(dialect: Dialect, stage: Stage): Stage[] {
  const isNullable = notNull(dialect, stage.relation, stage.cursor).length > 0
  return isNullable ? [stage, { ...stage, name: `${stage.name}:nulls`, kind: 'nulls' }] : [stage]
}

function assertCursorType(
  dialect: Dialect,
  relation: Relation,
  cursor: readonly number[],
  overlap: Overlap,
): void {
  const [first = 0] = cursor
  const column = relation.columns[first] ?? ''
  const type = typeAt(relation, first)
  const meaning = dialect.cursorType(type)
  const refuse = (why: string) => {
    throw new AdapterError(
      'ADAPTER_CONFIG_INVALID',
      `Column ${column} of ${relation.name} is ${type}: ${why}.`,
    )
  }
  if (meaning === null)
    refuse('a cursor needs a date, a time stamp or an exact number; a select can turn it into one')
  for (const { reach } of overlap) {
    if (meaning === 'number' && reach.kind === 'time' && reach.ms > 0)
      refuse('its overlap is a whole number, not a duration')
    if (meaning !== 'number' && reach.kind === 'numbers') refuse('its overlap is a duration like 10m')
  }
}

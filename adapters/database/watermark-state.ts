import { z } from 'zod'
import type { Cursor } from '../contract.ts'
import { defineCursor } from '../cursor.ts'
import { AdapterError } from '../errors.ts'
import { horizon } from './horizon.ts'
import type { Feed, RisingCursor } from './settings.ts'

const values = z.array(z.string()).readonly()

/** The highest value of the first cursor column, by stage. */
const heights = z.record(z.string(), z.string()).readonly()

/** How far was seen when the database's clock showed this. */
const sight = z.strictObject({ clock: z.string(), high: heights }).readonly()

const openGroup = z.strictObject({ ids: values, since: z.string(), before: z.nullable(sight) }).readonly()

/** What a round found as it was opened, and leaves behind when it is through. */
const opening = {
  clock: z.nullable(z.string()).default(null),
  open: z.nullable(z.array(openGroup).readonly()).default(null),
}

const until = z
  .record(
    z.string(),
    z
      .strictObject({
        bound: values,
        high: z.string(),
        isFloorPassed: z.boolean(),
        low: z.nullable(z.string()).default(null),
      })
      .readonly(),
  )
  .readonly()

/**
 * Where a feed stands. Values are the database's own texts, so nothing is rounded.
 *
 * `high`: how far the last round saw, by stage, and `clock` when it was opened. `tiers`: the same of the last round
 * that looked as far back as each wider tier does. `open`: transactions that were open then, and what had been seen
 * before they were; null where nobody can tell. `floor`: what `startAt` left out for good. `at`: the round under way:
 * its stage and part, the last row read in it, and for each stage where it is to end and where it began. `horizon`: how
 * far the server had come when the last round was opened, or gone on with.
 */
const shape = z
  .strictObject({
    columns: values,
    horizon,
    high: heights,
    ...opening,
    tiers: z.array(sight).readonly().default([]),
    floor: z
      .record(
        z.string(),
        z.union([
          z.strictObject({ from: z.string(), except: z.array(values).readonly() }).readonly(),
          z.strictObject({ upTo: values }).readonly(),
          z.strictObject({ below: z.string() }).readonly(),
        ]),
      )
      .readonly(),
    at: z.nullable(
      z
        .strictObject({
          stage: z.string(),
          part: z.enum(['again', 'new']).default('new'),
          after: z.nullable(values),
          until,
          /** How many tiers it looks back by. */
          tier: z.number().int().default(0),
          ...opening,
        })
        .readonly(),
    ),
  })
  .readonly()

export type State = z.output<typeof shape>
export type Sight = z.output<typeof sight>
export type OpenGroup = z.output<typeof openGroup>
export type Until = z.output<typeof until>
export type Place = NonNullable<State['at']>

export const codec = defineCursor({ kind: 'database-watermark', version: 1, shape })

type Of = Readonly<{ name: string; feed: Feed; cursor: RisingCursor }>

export function freshState(of: Of): State {
  return {
    columns: signature(of),
    horizon: null,
    high: {},
    clock: null,
    open: null,
    tiers: [],
    floor: {},
    at: null,
  }
}

/** Throws ADAPTER_CURSOR_STALE where the settings go by other columns now. */
export function storedState(of: Of, cursor: Cursor): State {
  const state = codec.decode(cursor)
  const columns = signature(of)
  if (JSON.stringify(state.columns) !== JSON.stringify(columns))
    throw new AdapterError(
      'ADAPTER_CURSOR_STALE',
      `The stored cursor of feed ${of.name} goes by ${state.columns.join(', ')}, its settings by ${columns.join(', ')}; choose by \`erpgw resync\` where it starts again.`,
    )
  return state
}

function signature({ cursor, feed }: Of): readonly string[] {
  return [...cursor.columns, ...feed.key]
}

import { z } from 'zod'
import type { FeedFault } from '../contract.ts'
import { duration, parseDuration, text } from '../shared/settings.ts'
import type { Connection } from './connections.ts'
import { selectFaults } from './select-guard.ts'

/** How far below the highest value: a span of time, or of whole numbers. */
export type Reach = Readonly<{ kind: 'time'; ms: number } | { kind: 'numbers'; count: string }>

/** Looks again so far below the highest value, not more often than this; 0 is every poll. */
export type Tier = Readonly<{ reach: Reach; everyMs: number }>

/** From the nearest tier, which is every poll's, to the widest. */
export type Overlap = readonly [Tier, ...Tier[]]

const REACH = 'must be a duration like 10m, or a whole number for a numeric cursor column'

const reach = z.string({ error: REACH }).transform((written, context): Reach => {
  const ms = parseDuration(written)
  if (ms !== null) return { kind: 'time', ms }
  if (/^[0-9]{1,18}$/.test(written)) return { kind: 'numbers', count: written }
  context.addIssue({ code: 'custom', message: `${REACH}, not "${written}"` })
  return z.NEVER
})

const tier = z.strictObject({
  reach: reach.describe('How far below the highest value is looked again.'),
  every: duration({ minMs: 0, maxMs: 86_400_000 })
    .default(0)
    .describe('Not more often than this. 0s: at every poll.'),
})

const overlap = z
  .union([
    reach.transform(tiersOf),
    z
      .array(tier)
      .min(1)
      .max(5)
      .transform((tiers, context): Overlap => {
        const [first, ...rest] = tiers
          .map(({ reach: of, every }) => ({ reach: of, everyMs: every }))
          .toSorted((one, other) => one.everyMs - other.everyMs)
        if (first?.everyMs === 0) return [first, ...rest]
        context.addIssue({
          code: 'custom',
          message: 'one of the tiers must be for every poll, without `every`',
        })
        return z.NEVER
      }),
  ])
  .describe(
    'How far below the highest value seen is read again, for rows that are committed later than their cursor value was taken. A duration like 10m is looked over every 5m, and its last 20s every 10s, its last 2s at every poll; a list says otherwise. What is committed later than this, only a sweep finds. Absent: 10m, or 1000 for a numeric column.',
  )

/** How far to look back where the settings do not say. */
export function usualOverlap(isNumber: boolean): Overlap {
  return tiersOf(isNumber ? { kind: 'numbers', count: '1000' } : { kind: 'time', ms: 600_000 })
}

/** Near rows often, far ones seldom: commits are late by seconds, now and then by minutes. */
function tiersOf(widest: Reach): Overlap {
  const near = { reach: { kind: 'time', ms: 2_000 }, everyMs: 0 } as const
  const middle = { reach: { kind: 'time', ms: 20_000 }, everyMs: 10_000 } as const
  if (widest.kind === 'numbers' || widest.ms <= near.reach.ms) return [{ reach: widest, everyMs: 0 }]
  const wide = { reach: widest, everyMs: Math.max(10_000, widest.ms / 2) }
  return widest.ms <= middle.reach.ms ? [near, wide] : [near, middle, wide]
}

/** The widest reach of an overlap. */
export function widest(overlap: Overlap): Reach {
  return overlap.at(-1)?.reach ?? overlap[0].reach
}

const columns = (description: string) =>
  z.array(text(), { error: 'must be a list of columns' }).min(1).max(8).describe(description)

const watermark = z
  .strictObject({
    strategy: z.literal('watermark').describe('Reads rows whose change columns have risen.'),
    columns: columns('Change columns, the most significant first; they rise with every change of a row.'),
    overlap: overlap.optional(),
  })
  .describe('For tables with a column that rises with every change.')

const commitOrdered = z
  .strictObject({
    strategy: z
      .literal('commit-ordered')
      .describe('Reads rows in the order in which they were changed, up to the oldest open transaction.'),
    columns: columns('The column that the database itself raises with each change, its rowversion.').max(1),
  })
  .describe('For tables of SQL Server with a rowversion: nothing that is committed late is missed.')

const snapshot = z
  .strictObject({ strategy: z.literal('snapshot').describe('Reads everything at every poll.') })
  .describe('For tables without a change column; finds deletions.')

const REVIEWED = 'must be the hash that `erpgw check` says, of 64 digits and letters a to f'

const reviewed = z
  .string({ error: REVIEWED })
  .regex(/^[0-9a-f]{64}$/, { error: REVIEWED })
  .optional()
  .describe(
    'Hash of a select that a person has read, where it does more than is allowed by itself (a function of the ERP). `erpgw check` says it.',
  )

const lines = z
  .strictObject({
    name: text().describe('Field of the record that holds the lines.'),
    table: text().optional().describe('Table of the lines, with its schema where needed.'),
    select: text()
      .optional()
      .describe(
        'One SELECT instead of a table, without order and limit; for codes and names of other tables.',
      ),
    reviewed,
    key: columns('Columns that identify and order the lines.'),
    on: z
      .record(text(), text(), { error: 'must pair columns of the lines with columns of the header' })
      .describe('Column of the lines: column of the header that it equals.'),
    cursor: z
      .strictObject({ columns: columns('Change columns of the lines, the most significant first.') })
      .optional()
      .describe(
        'A line that changed brings its header with all lines. Absent: only the header shows a change.',
      ),
  })
  .describe('Rows of another table that belong to the record, read in the same snapshot.')

export const feed = z.strictObject({
  table: text().optional().describe('Table or view to read, with its schema where needed: sales.orders.'),
  select: text().optional().describe('One SELECT instead of a table, without order and limit.'),
  reviewed,
  key: columns('Columns that identify a record. They must never be null.'),
  lines: z.array(lines).max(8).default([]).describe('Further tables whose rows are part of the record.'),
  cursor: z
    .discriminatedUnion('strategy', [watermark, commitOrdered, snapshot])
    .describe('How changes are found.'),
})

export type Feed = z.output<typeof feed>
export type Lines = Feed['lines'][number]
/** A cursor that goes by columns which rise with every change. */
export type RisingCursor = z.output<typeof watermark> | z.output<typeof commitOrdered>

/** The rising cursor of a feed; null where it is compared whole. */
export function risingCursor({ cursor }: Pick<Feed, 'cursor'>): RisingCursor | null {
  return cursor.strategy === 'snapshot' ? null : cursor
}

/** What is wrong across several settings of a feed, each with the setting to blame. */
export function feedFaults(of: Feed, connection: Connection | null): readonly FeedFault[] {
  const faults: FeedFault[] = []
  const fault = (path: readonly string[], message: string) => void faults.push({ path, message })
  originFaults(of, [], connection, faults)
  for (const [index, { name, on, ...origin }] of of.lines.entries()) {
    const place = ['lines', String(index)]
    originFaults(origin, place, connection, faults)
    if (of.lines.findIndex((other) => other.name === name) !== index)
      fault([...place, 'name'], `two lines are called ${name}`)
    if (Object.keys(on).length === 0) fault([...place, 'on'], 'must pair at least one column')
    if (of.cursor.strategy === 'snapshot' && of.lines[index]?.cursor !== undefined)
      fault([...place, 'cursor'], 'a feed that is compared whole needs no cursor for its lines')
  }
  return faults
}

type Origin = Readonly<{
  table?: string | undefined
  select?: string | undefined
  reviewed?: string | undefined
}>

function originFaults(
  { table, select, reviewed: hash }: Origin,
  place: readonly string[],
  connection: Connection | null,
  faults: FeedFault[],
): void {
  const fault = (setting: string, message: string) => void faults.push({ path: [...place, setting], message })
  if (table === undefined && select === undefined) fault('table', 'either table or select is needed')
  if (table !== undefined && select !== undefined) fault('select', 'table and select exclude each other')
  if (select === undefined && hash !== undefined) fault('reviewed', 'belongs to a select; there is none')
  // What an engine makes of a select, only the engine tells.
  if (select !== undefined && connection !== null)
    for (const { message, at } of selectFaults(select, connection.engine, hash))
      faults.push({ path: [...place, 'select'], message, offset: at })
}

import { z } from 'zod'
import { parseDuration, text } from '../shared/settings.ts'

/** How far below the highest cursor value a poll looks again: a span of time, or of whole numbers. */
export type Overlap = Readonly<{ kind: 'time'; ms: number } | { kind: 'numbers'; count: string }>

const overlap = z
  .string({ error: 'must be a duration like 10m, or a whole number for a numeric cursor column' })
  .transform((written, context): Overlap => {
    const ms = parseDuration(written)
    if (ms !== null) return { kind: 'time', ms }
    if (/^[0-9]{1,18}$/.test(written)) return { kind: 'numbers', count: written }
    context.addIssue({
      code: 'custom',
      message: `must be a duration like 10m, or a whole number for a numeric cursor column, not "${written}"`,
    })
    return z.NEVER
  })
  .describe(
    'How far below the highest value seen each poll reads again. A row that is committed later than this after its cursor value was taken is missed by polling.',
  )

const columns = (description: string) =>
  z.array(text(), { error: 'must be a list of columns' }).min(1).max(8).describe(description)

const watermark = z
  .strictObject({
    strategy: z.literal('watermark').describe('Reads rows whose change columns have risen.'),
    columns: columns('Change columns, the most significant first; they rise with every change of a row.'),
    overlap,
  })
  .describe('For tables with a column that rises with every change.')

const snapshot = z
  .strictObject({ strategy: z.literal('snapshot').describe('Reads everything at every poll.') })
  .describe('For tables without a change column; finds deletions.')

const lines = z
  .strictObject({
    name: text().describe('Field of the record that holds the lines.'),
    table: text().describe('Table of the lines, with its schema where needed.'),
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
  key: columns('Columns that identify a record. They must never be null.'),
  lines: z.array(lines).max(8).default([]).describe('Further tables whose rows are part of the record.'),
  cursor: z.discriminatedUnion('strategy', [watermark, snapshot]).describe('How changes are found.'),
})

export type Feed = z.output<typeof feed>
export type Lines = Feed['lines'][number]
export type WatermarkCursor = z.output<typeof watermark>

/** What is wrong across several settings of a feed, each with the setting to blame. */
export function feedFaults(of: Feed): readonly Readonly<{ path: readonly string[]; message: string }>[] {
  const faults: { path: readonly string[]; message: string }[] = []
  const fault = (path: readonly string[], message: string) => void faults.push({ path, message })
  if (of.table === undefined && of.select === undefined) fault(['table'], 'either table or select is needed')
  if (of.table !== undefined && of.select !== undefined)
    fault(['select'], 'table and select exclude each other')
  if (of.select !== undefined) for (const message of selectFaults(of.select)) fault(['select'], message)
  for (const [index, { name, on }] of of.lines.entries()) {
    const place = ['lines', String(index)]
    if (of.lines.findIndex((other) => other.name === name) !== index)
      fault([...place, 'name'], `two lines are called ${name}`)
    if (Object.keys(on).length === 0) fault([...place, 'on'], 'must pair at least one column')
    if (of.cursor.strategy === 'snapshot' && of.lines[index]?.cursor !== undefined)
      fault([...place, 'cursor'], 'a feed that is compared whole needs no cursor for its lines')
  }
  return faults
}

/**
 * A first line of defence that catches slips and says so early; what keeps a select harmless is that it only ever runs
 * in a read-only transaction, under an account that should be able to do nothing but read.
 */
function selectFaults(select: string): readonly string[] {
  const faults: string[] = []
  if (!/^\s*(select|with)\b/i.test(select)) faults.push('must begin with SELECT or WITH')
  if (select.includes(';')) faults.push('must be one statement, without a semicolon')
  return faults
}
